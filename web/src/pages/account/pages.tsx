// The pages of one's own account.

import { Contacts } from "./contacts";
import { DeleteAccount } from "./delete";
import { AccountFrame } from "./page";
import { Password } from "./password";
import { Profile } from "./profile";
import { Sessions } from "./sessions";
import { SecondFactor } from "./totp";

export function ProfilePage() {
  return (
    <AccountFrame title="Account">
      <Profile />
      <Contacts />
      <DeleteAccount />
    </AccountFrame>
  );
}

export function SecurityPage() {
  return (
    <AccountFrame title="Security">
      <Password />
      <SecondFactor />
      <Sessions />
    </AccountFrame>
  );
}
