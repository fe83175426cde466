// The form that rents a machine.

import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api/faults";
import { createAllocation, type Machine, type MachineRestartPolicy } from "../api/generated";
import { requestId } from "../api/transport";
import { putEverywhere } from "../live/allocations";
import { isFull } from "../parts/actions";
import { SelectField, TextField } from "../parts/field";
import { useSending } from "../parts/form";
import { price, whyNot } from "../parts/machines";
import { navigate, place } from "../parts/router";
import { spanOf } from "../parts/spans";
import { person, sessionState } from "../session/session";
import { RESTARTS } from "./allocation-edit";
import { FormFault } from "./entry";
import { rememberMadeUp } from "./made-up";
import { planFault, planOf, spanChoices, wireOf } from "./plan";
import { PlanFields } from "./plan-fields";
import { EstimateBox, mayWait, useEstimate } from "./rent-estimate";
import { firstValue, VariableField, variableFaults } from "./rent-variables";
import { type Chosen, VolumeFields } from "./rent-volumes";
import { expectVerification } from "./verify";

export function Rent({ machine }: { machine: Machine }) {
  const why = whyNot(machine);
  const to = encodeURIComponent(place.value.path);
  if (why) return <p class="muted">{why}</p>;
  if (sessionState.value !== "in") {
    return (
      <div class="stack">
        <p class="muted">Log in to rent this machine.</p>
        <a class="button primary wide" href={`/login?to=${to}`}>
          Log in
        </a>
        <a class="button plain wide" href={`/signup?to=${to}`}>
          Sign up
        </a>
      </div>
    );
  }
  return <RentForm machine={machine} />;
}

/** For how long one may wish to wait, in seconds. */
const WAITS = [300, 900, 3600];

function RentForm({ machine }: { machine: Machine }) {
  const [values, setValues] = useState<Record<string, string>>(() =>
    Object.fromEntries(machine.variables.map((variable) => [variable.key, firstValue(variable)])),
  );
  const [displayName, setDisplayName] = useState("");
  const [plan, setPlan] = useState(() => planOf({}));
  const [restartPolicy, setRestartPolicy] = useState<MachineRestartPolicy>(
    "RESTART_POLICY_UNSPECIFIED",
  );
  const [volumes, setVolumes] = useState<Chosen>({});
  const [waits, setWaits] = useState(true);
  const [longest, setLongest] = useState("");
  const attempt = useRef({ of: "", id: "" });
  const { estimate, again } = useEstimate(machine.name);
  const full = mayWait(estimate);

  const sending = useSending(async () => {
    const wrong = planFault(plan);
    if (wrong) throw new Error(wrong);
    const variables = machine.variables
      .map(({ key }) => ({ key, value: values[key] ?? "" }))
      .filter(({ value }) => value !== "");
    const allocation = {
      machine: machine.name,
      displayName: displayName.trim(),
      variables,
      volumes: Object.entries(volumes).map(([path, volume]) => ({ path, volume })),
      ...(restartPolicy === "RESTART_POLICY_UNSPECIFIED" ? {} : { restartPolicy }),
    };
    const waiting = full && waits;
    const rent = {
      whenFull: waiting ? ("WAIT" as const) : ("REFUSE" as const),
      maxWait: waiting ? spanOf(Number(longest)) : undefined,
    };
    // The same request sent again is the same rent; a changed one is another.
    const of = JSON.stringify([allocation, rent, plan]);
    if (attempt.current.of !== of) attempt.current = { of, id: requestId() };
    const asked = { ...allocation, ...wireOf(plan) };
    try {
      const made = await createAllocation({
        allocation: asked,
        ...rent,
        requestId: attempt.current.id,
      });
      const shown = machine.variables.filter(({ key }) => !values[key]).map(({ key }) => key);
      rememberMadeUp(made, shown);
      putEverywhere(made, true);
      await navigate(`/${made.name}`);
    } catch (error) {
      // Others were faster: the form now says so, and offers to wait.
      if (isFull(error)) again();
      throw error;
    }
  });

  const sent = machine.variables.filter(({ key }) => values[key]).map(({ key }) => key);
  const faults = variableFaults(sending.error, sent);
  const fault = sending.error instanceof ApiError ? sending.error : undefined;
  const told = Object.keys(faults).some((key) => key in values);
  const unverified = fault?.reason === "USER_NOT_VERIFIED" || person.value?.verified === false;
  const named = ["displayName", "expireTime", "timeout", "schedule", "timeZone", "volumes"];

  return (
    <form class="stack" onSubmit={sending.submit} noValidate>
      {estimate && <EstimateBox estimate={estimate} />}
      {!told && !(isFull(sending.error) && full) && <FormFault text={sending.rest(...named)} />}
      {unverified && (
        <p class="note">
          Your address is not verified yet.{" "}
          <a href="/verify" onClick={() => expectVerification(person.value?.email ?? "", "")}>
            Enter the code
          </a>
        </p>
      )}
      {machine.variables.map((variable) => (
        <VariableField
          key={variable.key}
          variable={variable}
          value={values[variable.key] ?? ""}
          onChange={(value) => setValues({ ...values, [variable.key]: value })}
          error={faults[variable.key]}
        />
      ))}
      <TextField
        label="Your name for it"
        optional
        name="display-name"
        maxLength={80}
        placeholder={machine.title}
        value={displayName}
        onChange={setDisplayName}
        error={sending.field("displayName")}
      />
      <VolumeFields
        machine={machine}
        chosen={volumes}
        onChange={setVolumes}
        error={sending.field("volumes")}
      />
      <details class="more-choices">
        <summary>
          When it ends, rests and wakes <span class="muted">– or never</span>
        </summary>
        <div class="stack">
          <PlanFields plan={plan} onChange={setPlan} fault={sending.field} />
          <SelectField
            label="When its program ends by itself"
            value={restartPolicy}
            onChange={(value) => setRestartPolicy(value as MachineRestartPolicy)}
            choices={RESTARTS}
            error={sending.field("restartPolicy")}
          />
        </div>
      </details>
      {full && (
        <WhenFull waits={waits} onWaits={setWaits} longest={longest} onLongest={setLongest} />
      )}
      <button
        type="submit"
        class="button primary wide"
        disabled={sending.busy || estimate?.canEverRun === false}
      >
        {sending.busy ? "Renting…" : full && waits ? "Rent when there is room" : "Rent"}
        <span class="button-aside">{price(estimate?.pricePerHour ?? machine.pricePerHour)}</span>
      </button>
    </form>
  );
}

/** Whether to wait, and for how long, where there is no room. */
function WhenFull({
  waits,
  onWaits,
  longest,
  onLongest,
}: {
  waits: boolean;
  onWaits: (waits: boolean) => void;
  longest: string;
  onLongest: (longest: string) => void;
}) {
  return (
    <fieldset class="field">
      <legend>There is no room now</legend>
      <label class="choice">
        <input type="radio" name="when-full" checked={waits} onChange={() => onWaits(true)} />
        <span class="pair">
          <strong>Wait in the queue</strong>
          <span class="small muted">It starts by itself when its turn comes. You can cancel.</span>
        </span>
      </label>
      <label class="choice">
        <input type="radio" name="when-full" checked={!waits} onChange={() => onWaits(false)} />
        <span class="pair">
          <strong>Do not wait</strong>
          <span class="small muted">Rent only if there is room at that moment.</span>
        </span>
      </label>
      {waits && (
        <SelectField
          label="Wait at most"
          value={longest}
          onChange={onLongest}
          choices={[["", "As long as this place allows"], ...spanChoices(WAITS, longest || "0")]}
        />
      )}
    </fieldset>
  );
}
