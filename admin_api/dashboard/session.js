// The user who is logged in, and facts about the installation.

import { createContext, useContext } from "./html.js";

const Session = createContext(null);

export const SessionProvider = Session.Provider;

// `me` is the user, `info` the installation, `readsAll` true for admins and auditors, `isAdmin` for admins.
export function useSession() {
  return useContext(Session);
}

export function sessionOf(me, info) {
  const role = me.role ?? (me.is_admin ? "admin" : "member");
  return { me, info, isAdmin: role === "admin", readsAll: role !== "member" };
}
