// Bundles STAC Browser, which is published as source text: node stac-browser.mjs FOLDER
//
// Differences from the bundle of the project itself:
// - Vue compiles the templates in the browser, and there are no styles. The tests look at texts,
//   links and images.
// - There are no basemaps, as their tiles come from the internet.
// - The address of a page has the path after `#`, so that any server of files can serve the bundle.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { build } from "esbuild";

const { parse, rewriteDefault } = createRequire(import.meta.url)("vue/compiler-sfc");
const source = path.join(import.meta.dirname, "node_modules", "@radiantearth", "stac-browser");
const folder = path.resolve(process.argv[2]);

function componentOf(filename) {
  const { script, template } = parse({ source: readFileSync(filename, "utf8"), filename });
  const code = script ? rewriteDefault(script.content, "component") : "const component = {};";
  const text = template ? `component.template = ${JSON.stringify(template.content)};` : "";
  return { contents: `${code}\n${text}\nexport default component;`, resolveDir: path.dirname(filename) };
}

const components = {
  name: "components",
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, ({ path: file }) => componentOf(file));
    onLoad({ filter: /basemaps\.config\.js$/ }, () => ({ contents: "export default () => [];" }));
  },
};

await build({
  absWorkingDir: source,
  entryPoints: ["src/main.js"],
  outdir: folder,
  bundle: true,
  format: "esm",
  splitting: true,
  minify: true,
  plugins: [components],
  external: ["assert"], // Only the validation requires this module, and schemas from the internet.
  alias: { path: "path-browserify", vue: "vue/dist/vue.esm.js" },
  define: {
    CONFIG_CLI: JSON.stringify({ historyMode: "hash" }),
    CONFIG_PATH: "undefined",
    global: "window",
    "process.env.NODE_ENV": JSON.stringify("production"),
  },
  loader: { ".css": "empty" },
  logLevel: "error",
});
const page = readFileSync(path.join(source, "public", "index.html"), "utf8");
const script = '<script type="module" src="./main.js"></script></body>';
writeFileSync(path.join(folder, "index.html"), page.replace("</body>", script));
