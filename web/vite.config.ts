import { defineConfig } from "vitest/config";

// Where the allocator answers while `npm run dev` serves the page.
const allocator = "http://127.0.0.1:8080";

export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    // The content security policy allows files of our own only: nothing becomes a data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
  },
  server: {
    proxy: { "/v1": { target: allocator, ws: true, changeOrigin: true } },
  },
  test: { include: ["src/**/*.test.ts"] },
});
