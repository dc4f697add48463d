// What every component may ask for without being handed it.

import { createContext } from 'svelte';
import type { Client } from '../client/index.ts';
import type { Route } from './route.svelte.ts';

export const [useClient, provideClient] = createContext<Client>();
export const [useRoute, provideRoute] = createContext<Route>();
