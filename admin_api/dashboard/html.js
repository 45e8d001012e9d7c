// Preact with htm: components as functions, markup as tagged templates, no build step. Texts only become text nodes.

import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

export const html = htm.bind(h);
export { Component, createContext, render } from "./vendor/preact.js";
export { useCallback, useContext, useEffect, useId, useRef, useState } from "./vendor/hooks.js";
