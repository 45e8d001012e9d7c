// The user who is logged in, and facts about the installation.

import { get } from "./api.js";
import { createContext, useContext } from "./html.js";

const Session = createContext(null);

export const SessionProvider = Session.Provider;

// `me` is the user, `info` the installation, `readsAll` true for admins and auditors, `isAdmin` for admins.
export function useSession() {
  return useContext(Session);
}

export async function loadSession() {
  const me = await get("api/auth/me");
  const [info, { role }] = await Promise.all([get("api/info"), get("api/auth/sessions")]);
  return { me, info, role, isAdmin: role === "admin", readsAll: role !== "member" };
}
