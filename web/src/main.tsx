import { render } from "preact";
import { App } from "./app";
import { startRouter } from "./parts/router";
import { startTheme } from "./parts/theme";
import { restoreSession } from "./session/session";

startTheme();
startRouter();
void restoreSession();
render(<App />, document.getElementById("root") as HTMLElement);
