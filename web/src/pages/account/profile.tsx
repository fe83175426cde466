// What a person is called, and in which language they are written to.

import { useState } from "preact/hooks";
import { ApiError } from "../../api/faults";
import { getUser, updateUser } from "../../api/generated";
import { ask } from "../../parts/dialog";
import { SelectField, TextField } from "../../parts/field";
import { useSending } from "../../parts/form";
import { say } from "../../parts/toasts";
import { person, setPerson } from "../../session/session";
import { FormFault } from "../entry";

const LANGUAGES = [
  ["en", "English"],
  ["de", "Deutsch"],
] as const;

export function Profile() {
  const user = person.value;
  const [givenName, setGivenName] = useState(user?.givenName ?? "");
  const [familyName, setFamilyName] = useState(user?.familyName ?? "");
  const [languageCode, setLanguageCode] = useState(user?.languageCode || "en");
  const sending = useSending(async () => {
    if (!user) return;
    const changed = {
      name: user.name,
      givenName: givenName.trim(),
      familyName: familyName.trim(),
      languageCode,
    };
    const save = (etag: string) =>
      updateUser({ user: { ...changed, etag }, updateMask: "givenName,familyName,languageCode" });
    try {
      setPerson(await save(user.etag));
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "ETAG_STALE") throw error;
      const theirs = await getUser({ name: "users/me" });
      setPerson(theirs);
      const name = `${theirs.givenName} ${theirs.familyName}`.trim() || "(empty)";
      const chosen = await ask("Your account was changed elsewhere", `The name is now ${name}.`, [
        { answer: "mine", label: "Save mine", look: "primary" },
      ]);
      if (chosen !== "mine") return;
      setPerson(await save(theirs.etag));
    }
    say("Saved.");
  });
  const same =
    givenName === user?.givenName &&
    familyName === user?.familyName &&
    languageCode === (user?.languageCode || "en");
  return (
    <section class="panel" aria-labelledby="names">
      <h2 id="names">You</h2>
      <form class="stack" onSubmit={sending.submit}>
        <FormFault text={sending.rest("givenName", "familyName", "languageCode")} />
        <div class="two">
          <TextField
            label="Given name"
            name="given-name"
            autocomplete="given-name"
            maxLength={100}
            value={givenName}
            onChange={setGivenName}
            error={sending.field("givenName")}
          />
          <TextField
            label="Family name"
            name="family-name"
            autocomplete="family-name"
            maxLength={100}
            value={familyName}
            onChange={setFamilyName}
            error={sending.field("familyName")}
          />
        </div>
        <SelectField
          label="Language of what we write to you"
          value={languageCode}
          onChange={setLanguageCode}
          choices={LANGUAGES}
          error={sending.field("languageCode")}
        />
        <div class="row end">
          <button type="submit" class="button primary" disabled={sending.busy || same}>
            Save
          </button>
        </div>
      </form>
    </section>
  );
}
