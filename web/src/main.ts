import '@fontsource-variable/inter/wght.css';
import './ui/css/tokens.css';
import './ui/css/base.css';
import './ui/css/controls.css';
import { mount } from 'svelte';
import { Client } from './client/index.ts';
import App from './ui/App.svelte';
import { showTheme } from './ui/logic/theme.ts';

showTheme();
mount(App, {
  target: document.getElementById('app') as HTMLElement,
  props: { starting: Client.start() },
});
