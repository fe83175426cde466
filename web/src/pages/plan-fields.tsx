// The fields of what shall become of an allocation by time.

import { useId } from "preact/hooks";
import { Field, SelectField } from "../parts/field";
import { Icon } from "../parts/icons";
import { DAYS, type Day, localTime, type Plan, spanChoices, type Turn } from "./plan";

const HOUR = 3600;
const DAY = 24 * HOUR;
const ENDS = [HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY, 7 * DAY, 30 * DAY];
const IDLES = [600, 1800, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY];
const MOST_TURNS = 20;

const WEEKDAYS: readonly Day[] = DAYS.slice(0, 5).map(([day]) => day);
const OFFICE: readonly Turn[] = [
  { action: "START", days: WEEKDAYS, time: "09:00" },
  { action: "STOP", days: WEEKDAYS, time: "18:00" },
];

interface Props {
  plan: Plan;
  onChange: (plan: Plan) => void;
  /** What is wrong with a field, by the end of its path. */
  fault: (name: string) => string | undefined;
}

export function PlanFields({ plan, onChange, fault }: Props) {
  return (
    <>
      <Ends plan={plan} onChange={onChange} fault={fault} />
      <SelectField
        label="Stop it when it is idle"
        hint="Nobody connected, no traffic, no work, and nobody watching its log. You are told before."
        value={plan.idle}
        onChange={(idle) => onChange({ ...plan, idle })}
        choices={[
          ["0", "Never"],
          ...spanChoices(IDLES, plan.idle).map(
            ([value, words]) => [value, `After ${words}`] as const,
          ),
        ]}
        error={fault("timeout") ?? fault("idlePolicy")}
      />
      <Week plan={plan} onChange={onChange} fault={fault} />
    </>
  );
}

function Ends({ plan, onChange, fault }: Props) {
  const choose = (expires: string) => {
    const at = new Date(Date.now() + DAY * 1000);
    onChange({ ...plan, expires, expireAt: plan.expireAt || localTime(at) });
  };
  return (
    <>
      <div class="two">
        <SelectField
          label="It ends"
          value={plan.expires}
          onChange={choose}
          choices={[
            ["", "Never"],
            ...spanChoices(ENDS, "").map(([value, words]) => [value, `In ${words}`] as const),
            ["at", "At a time…"],
          ]}
          error={plan.expires === "at" ? undefined : fault("expireTime")}
        />
        {plan.expires !== "" && (
          <SelectField
            label="Then"
            value={plan.expireAction}
            onChange={(chosen) =>
              onChange({ ...plan, expireAction: chosen === "DELETE" ? "DELETE" : "STOP" })
            }
            choices={[
              ["STOP", "Stop it"],
              ["DELETE", "Remove it for good"],
            ]}
            error={fault("expireAction")}
          />
        )}
      </div>
      {plan.expires === "at" && (
        <Field label="When" error={fault("expireTime")}>
          {(marks) => (
            <input
              {...marks}
              type="datetime-local"
              value={plan.expireAt}
              onInput={(event) => onChange({ ...plan, expireAt: event.currentTarget.value })}
            />
          )}
        </Field>
      )}
    </>
  );
}

function Week({ plan, onChange, fault }: Props) {
  const { turns } = plan;
  const zones = useId();
  const put = (next: readonly Turn[]) => onChange({ ...plan, turns: next });
  const wrong = fault("schedule") ?? fault("actions") ?? fault("days") ?? fault("time");
  return (
    <fieldset class={wrong ? "field wrong" : "field"}>
      <legend>Times of the week</legend>
      {turns.length === 0 && (
        <p class="note">It starts and stops only when you, its end or idleness says so.</p>
      )}
      <div class="turns">
        {turns.map((turn, at) => (
          <OneTurn
            key={at}
            turn={turn}
            at={at}
            onChange={(next) => put(turns.map((one, i) => (i === at ? next : one)))}
            onRemove={() => put(turns.filter((_, i) => i !== at))}
          />
        ))}
      </div>
      {turns.length > 0 && (
        <Field label="Time zone" error={fault("timeZone")}>
          {(marks) => (
            <>
              <input
                {...marks}
                list={zones}
                maxLength={64}
                spellcheck={false}
                autocomplete="off"
                value={plan.zone}
                onInput={(event) => onChange({ ...plan, zone: event.currentTarget.value })}
              />
              <datalist id={zones}>
                {zoneNames().map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
      )}
      <div class="row wrap">
        {turns.length === 0 && (
          <button type="button" class="button small" onClick={() => put(OFFICE)}>
            <Icon name="clock" />
            Mon–Fri, 9 to 18
          </button>
        )}
        {turns.length < MOST_TURNS && (
          <button
            type="button"
            class="button small"
            onClick={() =>
              put([
                ...turns,
                { action: turns.length % 2 ? "STOP" : "START", days: [], time: "09:00" },
              ])
            }
          >
            <Icon name="plus" />
            {turns.length === 0 ? "Other times" : "Add a line"}
          </button>
        )}
      </div>
      {wrong && (
        <div class="note error" role="alert">
          {wrong}
        </div>
      )}
    </fieldset>
  );
}

function OneTurn({
  turn,
  at,
  onChange,
  onRemove,
}: {
  turn: Turn;
  at: number;
  onChange: (turn: Turn) => void;
  onRemove: () => void;
}) {
  const flip = (day: Day) =>
    onChange({
      ...turn,
      days: DAYS.map(([one]) => one).filter((one) => turn.days.includes(one) !== (one === day)),
    });
  return (
    <div class="turn" role="group" aria-label={`Line ${at + 1}`}>
      <select
        aria-label="What it does"
        value={turn.action}
        onChange={(event) =>
          onChange({ ...turn, action: event.currentTarget.value === "STOP" ? "STOP" : "START" })
        }
      >
        <option value="START">Start</option>
        <option value="STOP">Stop</option>
      </select>
      <input
        type="time"
        aria-label="Time"
        required
        value={turn.time}
        onInput={(event) => onChange({ ...turn, time: event.currentTarget.value.slice(0, 5) })}
      />
      <button
        type="button"
        class="quiet"
        title="Remove"
        aria-label="Remove the line"
        onClick={onRemove}
      >
        <Icon name="cross" />
      </button>
      <div class="days" role="group" aria-label="Days">
        {DAYS.map(([day, short, long]) => (
          <button
            key={day}
            type="button"
            aria-pressed={turn.days.includes(day)}
            aria-label={long}
            title={long}
            onClick={() => flip(day)}
          >
            {short.slice(0, 2)}
          </button>
        ))}
      </div>
    </div>
  );
}

let zones: readonly string[] | undefined;

/** The time zones that the browser knows. */
function zoneNames(): readonly string[] {
  zones ??= Intl.supportedValuesOf?.("timeZone") ?? [];
  return zones;
}
