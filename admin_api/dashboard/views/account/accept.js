// An invitation or a password reset by a one-time link. The token is in the fragment, which reaches no server.

import { post } from "../../api.js";
import { html, useEffect } from "../../html.js";
import { Field, Form } from "../../components/form.js";

export function Accept({ token, onDone }) {
  useEffect(() => {
    document.title = "Set a password · MCP Gateway";
    document.querySelector("input[name=password]").focus();
  }, []);
  const send = async ({ password }) => {
    await post("api/auth/accept-invite", { token, password }).catch((error) => {
      // The link has no field on this page.
      const fault = (error.errors ?? []).find(({ field }) => field === "token");
      throw fault ? new Error(`This link ${fault.detail}.`) : error;
    });
    await onDone();
  };
  return html`
    <main id="main" class="login">
      <div class="card">
        <span class="brand"><img src="assets/icon.svg" alt="" width="24" height="24" />MCP Gateway</span>
        <h1>Set a password</h1>
        <${Form} send=${send} submit="Set password">
          <${Field}
            label="New password"
            name="password"
            type="password"
            autocomplete="new-password"
            hint="At least 10 characters, and no common password."
          />
        <//>
      </div>
      <p class="below">The link works once. If it no longer does, ask an admin for a new one.</p>
    </main>
  `;
}
