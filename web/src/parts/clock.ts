// Times of the clock and the calendar, as people say them.

const DAY_MS = 86_400_000;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dateAndYear = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
});

const midnight = (time: Date): number =>
  new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();

/** `at 18:00`, `tomorrow at 18:00`, `on Friday at 18:00`, `on 3 Dec at 18:00`. */
export function atWords(time: Date, now: Date = new Date()): string {
  const at = `at ${clock.format(time)}`;
  // Rounded, since a day of a change of the clocks is an hour longer or shorter.
  const days = Math.round((midnight(time) - midnight(now)) / DAY_MS);
  if (days === 0) return at;
  if (days === 1) return `tomorrow ${at}`;
  if (days === -1) return `yesterday ${at}`;
  if (days > 1 && days < 7) return `on ${weekday.format(time)} ${at}`;
  const format = time.getFullYear() === now.getFullYear() ? date : dateAndYear;
  return `on ${format.format(time)} ${at}`;
}
