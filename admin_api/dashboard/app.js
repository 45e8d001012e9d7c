// The frame of the page: login, navigation, the account of the user, and the view that the address names.

import { onUnauthorized, post } from "./api.js";
import { Component, html, render, useEffect, useRef, useState } from "./html.js";
import { RouteProvider, href, useHash } from "./router.js";
import { SessionProvider, loadSession } from "./session.js";
import { toast } from "./components/toast.js";
import { Accept } from "./views/account/accept.js";
import { AlertsView } from "./views/system/alerts.js";
import { AuditView } from "./views/audit/audit.js";
import { CallsView } from "./views/usage/calls.js";
import { KeyView } from "./views/keys/key.js";
import { KeysView } from "./views/keys/keys.js";
import { Login } from "./views/account/login.js";
import { OverviewView } from "./views/usage/overview.js";
import { PasswordDialog } from "./views/account/password_dialog.js";
import { ReadersView } from "./views/usage/readers.js";
import { SessionsDialog } from "./views/account/sessions_dialog.js";
import { SystemView } from "./views/system/system.js";
import { UsersView } from "./views/users/users.js";

// `readsAll` marks views for admins and auditors only.
const VIEWS = {
  overview: { title: "Overview", view: OverviewView },
  keys: { title: "API keys", view: KeysView },
  calls: { title: "Calls", view: CallsView },
  readers: { title: "Tables", view: ReadersView },
  users: { title: "Users", view: UsersView, readsAll: true },
  audit: { title: "Audit", view: AuditView, readsAll: true },
  alerts: { title: "Alerts", view: AlertsView, readsAll: true },
  system: { title: "System", view: SystemView, readsAll: true },
};
const HOME = "keys";

function App() {
  const [session, setSession] = useState(null);
  const [state, setState] = useState({ name: "starting", message: "" });
  const route = useHash();
  const start = async () => {
    try {
      setSession(await loadSession());
      setState({ name: "in", message: "" });
    } catch (error) {
      setSession(null);
      if (error.status !== 401) setState({ name: "failed", message: error.message });
    }
  };
  const end = (message) => {
    setSession(null);
    setState({ name: "out", message });
  };
  const logOut = async () => {
    await post("api/auth/logout", {}).catch(() => {});
    end("You are logged out.");
  };
  const accepted = async () => {
    // Neither the address nor the history keeps the token.
    history.replaceState(null, "", location.pathname);
    dispatchEvent(new HashChangeEvent("hashchange"));
    await start();
  };
  useEffect(() => {
    // Without a session there is nothing to say: the page has just been opened.
    onUnauthorized(() =>
      setState((before) => {
        setSession(null);
        return {
          name: "out",
          message: before.name === "in" ? "Your session has ended. Log in again." : before.message,
        };
      }),
    );
    start();
  }, []);
  if (route.view === "accept") return html`<${Accept} token=${route.query.token ?? ""} onDone=${accepted} />`;
  if (state.name === "out") return html`<${Login} message=${state.message} onDone=${start} />`;
  if (state.name === "failed") return html`<${Failed} message=${state.message} onRetry=${start} />`;
  if (session === null) return null;
  return html`<${RouteProvider} value=${route}
    ><${SessionProvider} value=${session}><${Frame} route=${route} session=${session} onLogOut=${logOut} /><//
  ><//>`;
}

function Failed({ message, onRetry }) {
  return html`
    <main id="main" class="login">
      <div class="card">
        <p class="problem" role="alert">${message}</p>
        <button type="button" class="button" onClick=${onRetry}>Try again</button>
      </div>
    </main>
  `;
}

function Frame({ route, session, onLogOut }) {
  const main = useRef(null);
  const isFirst = useRef(true);
  const [dialog, setDialog] = useState("");
  const close = () => setDialog("");
  const allowed = Object.entries(VIEWS).filter(([, { readsAll }]) => !readsAll || session.readsAll);
  const views = Object.fromEntries(allowed);
  const current = Object.hasOwn(views, route.view) ? route.view : HOME;
  const { title, view } = views[current];
  const shown = current === "keys" && route.name ? KeyView : view;
  useEffect(() => {
    document.title = `${title} · MCP Gateway`;
    document.querySelector("nav [aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
    if (!isFirst.current) main.current.focus({ preventScroll: true });
    isFirst.current = false;
  }, [current, route.name]);
  return html`
    <header class="top">
      <div class="inner">
        <a class="brand" href=${href(HOME)}><img src="assets/icon.svg" alt="" width="24" height="24" />MCP Gateway</a>
        <nav aria-label="Views">
          ${allowed.map(([name, one]) => html`<a key=${name} href=${href(name)} aria-current=${name === current ? "page" : undefined}>${one.title}</a>`)}
        </nav>
        <div class="account">
          <bdi class="email" title=${session.me.email}>${session.me.email}</bdi>
          <button type="button" class="button quiet" onClick=${() => setDialog("sessions")}>Sessions</button>
          <button type="button" class="button quiet" onClick=${() => setDialog("password")}>Password</button>
          <button type="button" class="button quiet" onClick=${onLogOut}>Log out</button>
        </div>
      </div>
    </header>
    <main id="main" tabindex="-1" ref=${main}>
      <${Guard} key=${`${current}/${route.name}`}><${shown} name=${route.name} /><//>
    </main>
    <footer><span>MCP Gateway ${session.info.version}</span><a href="api/openapi.json">OpenAPI document</a></footer>
    ${dialog === "password" && html`<${PasswordDialog} onClose=${close} onDone=${() => toast("Password changed")} />`}
    ${dialog === "sessions" && html`<${SessionsDialog} onClose=${close} />`}
  `;
}

// The views, and what is shown if one of them fails: the rest of the page stays.
class Guard extends Component {
  static getDerivedStateFromError(error) {
    return { error };
  }

  render({ children }, { error }) {
    if (!error) return children;
    return html`
      <p class="notice failed" role="alert">
        <span>This view cannot be shown (${error.message}). Page and gateway may have different versions.</span>
        <button type="button" class="button small" onClick=${() => location.reload()}>Reload</button>
      </p>
    `;
  }
}

render(html`<${App} />`, document.getElementById("app"));
