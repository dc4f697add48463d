// The web client in a real browser, against real servers: `playwright test` here, or `make test`. What it needs to know is in app/server.js.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'app',
  outputDir: process.env.RESULTS ?? 'results',
  timeout: 120_000,
  expect: { timeout: 20_000 },
  fullyParallel: true,
  workers: 2,
  forbidOnly: Boolean(process.env.CI),
  // A test that passes the second time is told of as flaky.
  retries: process.env.CI ? 1 : 0,
  reporter: 'list',
  use: {
    launchOptions: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' },
    viewport: { width: 1440, height: 900 },
    actionTimeout: 20_000,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
});
