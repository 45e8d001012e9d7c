// The frame of the page: login, navigation, and the account of the user.

import { get, onUnauthorized, post } from "./api.js";
import { el, field, form, openDialog, toast } from "./dom.js";
import { keysView } from "./keys.js";
import { usageView } from "./usage.js";

const VIEWS = { keys: ["API keys", keysView], usage: ["Usage", usageView] };

const root = document.getElementById("app");
let session = null;

function brand() {
  return el("span", { class: "brand" }, el("img", { src: "assets/icon.svg", alt: "", width: 24, height: 24 }), "MCP Gateway");
}

function showLogin(message = "") {
  session = null;
  document.title = "Log in · MCP Gateway";
  const fields = {
    email: field("Email", el("input", { type: "email", autocomplete: "username", name: "email", required: true })),
    password: field("Password", el("input", { type: "password", autocomplete: "current-password", name: "password", required: true })),
  };
  const send = async () => {
    await post("api/auth/login", { email: fields.email.control.value, password: fields.password.control.value });
    await start();
  };
  root.replaceChildren(
    el(
      "main",
      { id: "main", class: "login" },
      el(
        "div",
        { class: "card" },
        brand(),
        el("h1", {}, "Log in"),
        message && el("p", { class: "notice" }, message),
        form(fields, { submit: "Log in", send }),
      ),
      el("p", { class: "below" }, "The first user and password are printed when the gateway starts for the first time."),
    ),
  );
  fields.email.control.focus();
}

function endSession(message) {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  showLogin(message);
}

// The token of a one-time link is in the fragment, which reaches no server and no log.
function linkToken() {
  const [view, query] = location.hash.slice(1).split("?");
  return view === "/accept" ? new URLSearchParams(query).get("token") : null;
}

function showAccept(token) {
  session = null;
  document.title = "Set your password · MCP Gateway";
  const fields = {
    password: field("New password", el("input", { type: "password", autocomplete: "new-password", name: "password", required: true }), "At least 10 characters."),
  };
  const send = async () => {
    try {
      await post("api/auth/accept-invite", { token, password: fields.password.control.value });
    } catch (error) {
      // The link has no field on this page.
      const errors = (error.errors ?? []).map(({ field: name, detail }) => (name === "token" ? `This link ${detail}.` : ""));
      throw errors.some(Boolean) ? new Error(errors.find(Boolean)) : error;
    }
    history.replaceState(null, "", location.pathname);
    await start();
  };
  root.replaceChildren(
    el(
      "main",
      { id: "main", class: "login" },
      el("div", { class: "card" }, brand(), el("h1", {}, "Set your password"), form(fields, { submit: "Set password", send })),
    ),
  );
  fields.password.control.focus();
}

async function logOut() {
  try {
    await post("api/auth/logout", {});
    endSession("You are logged out.");
  } catch (error) {
    // With 401 the session has ended already, and the login is shown.
    if (error.status !== 401) toast(error.message);
  }
}

function changePassword() {
  const fields = {
    current_password: field("Current password", el("input", { type: "password", autocomplete: "current-password" })),
    new_password: field("New password", el("input", { type: "password", autocomplete: "new-password" }), "At least 10 characters. All other sessions are logged out."),
  };
  const send = async () => {
    const body = Object.fromEntries(Object.entries(fields).map(([name, input]) => [name, input.control.value]));
    await post("api/auth/password", body);
    dialog.close();
    toast("Password changed");
  };
  const dialog = openDialog("Change password", form(fields, { submit: "Change password", send, cancel: () => dialog.close() }));
}

function showFrame() {
  const current = currentView();
  const links = Object.entries(VIEWS).map(([name, [title]]) =>
    el("a", { href: `#${name}`, "aria-current": name === current ? "page" : undefined }, title),
  );
  const main = el("main", { id: "main", tabindex: "-1" });
  root.replaceChildren(
    el(
      "header",
      { class: "top" },
      el(
        "div",
        { class: "inner" },
        brand(),
        el("nav", { "aria-label": "Views" }, links),
        el(
          "div",
          { class: "account" },
          el("span", { class: "email", title: session.me.email }, session.me.email),
          el("button", { type: "button", class: "button quiet", onclick: changePassword }, "Password"),
          el("button", { type: "button", class: "button quiet", onclick: logOut }, "Log out"),
        ),
      ),
    ),
    main,
    el("footer", {}, `MCP Gateway ${session.info.version}`, el("a", { href: "api/openapi.json" }, "OpenAPI document")),
  );
  const [title, view] = VIEWS[current];
  document.title = `${title} · MCP Gateway`;
  view(main, session);
}

function currentView() {
  const name = location.hash.slice(1);
  return Object.hasOwn(VIEWS, name) ? name : "keys";
}

async function start() {
  const token = linkToken();
  if (token !== null) {
    showAccept(token);
    return;
  }
  try {
    const me = await get("api/auth/me");
    session = { me, info: await get("api/info") };
  } catch (error) {
    if (error.status === 401) {
      showLogin();
      return;
    }
    root.replaceChildren(
      el(
        "main",
        { id: "main", class: "login" },
        el(
          "div",
          { class: "card" },
          brand(),
          el("p", { class: "problem", role: "alert" }, error.message),
          el("button", { type: "button", class: "button", onclick: start }, "Try again"),
        ),
      ),
    );
    return;
  }
  showFrame();
}

onUnauthorized(() => {
  // Without a session, a 401 is a wrong password, or the page was loaded without a login.
  if (session !== null) endSession("Your session has ended. Log in again.");
});
addEventListener("hashchange", () => {
  if (linkToken() !== null) {
    start();
    return;
  }
  if (session === null || location.hash === "#main") return;
  showFrame();
  document.getElementById("main").focus();
});
start();
