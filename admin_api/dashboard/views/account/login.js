// The login.

import { post } from "../../api.js";
import { html, useEffect } from "../../html.js";
import { Field, Form } from "../../components/form.js";

export function Login({ message, onDone }) {
  useEffect(() => {
    document.title = "Log in · MCP Gateway";
    document.querySelector("input[name=email]").focus();
  }, []);
  const send = async ({ email, password }) => {
    await post("api/auth/login", { email, password });
    await onDone();
  };
  return html`
    <main id="main" class="login">
      <div class="card">
        <span class="brand"><img src="assets/icon.svg" alt="" width="24" height="24" />MCP Gateway</span>
        <h1>Log in</h1>
        ${message && html`<p class="notice">${message}</p>`}
        <${Form} send=${send} submit="Log in">
          <${Field} label="Email" name="email" type="email" autocomplete="username" required />
          <${Field} label="Password" name="password" type="password" autocomplete="current-password" required />
        <//>
      </div>
      <p class="below">The first user and password are printed when the gateway starts for the first time.</p>
    </main>
  `;
}
