// Finds the handler (AWS Lambda Developer Guide, "Define Lambda function handler in Node.js", and "Working with
// layers for Node.js Lambda functions" for NODE_PATH).

import { existsSync, promises, readdirSync, readFileSync, statSync } from "node:fs";
import nodeModule, { createRequire } from "node:module";
import { basename, dirname, join, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { MODERN } from "./generation.mjs";
import { HandlerNotFound, ImportModuleError, MalformedHandlerName, UserCodeSyntaxError } from "./errors.mjs";

// As seen from index.mjs, which is the file that AWS's error messages name as the one that required the handler.
const requireUser = createRequire(new URL("./index.mjs", import.meta.url));

/** `folder/file.export.nested` as folder, file and path of the export. */
function split(handler) {
  if (handler.includes("..")) {
    throw new MalformedHandlerName(
      `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const name = basename(handler);
  const dot = name.indexOf(".");
  if (dot < 0) throw new MalformedHandlerName("Bad handler");
  return { folder: handler.slice(0, handler.indexOf(name)), file: name.slice(0, dot), path: name.slice(dot + 1) };
}

/** Whether the nearest package.json makes `.js` files of this folder ES modules. */
function isModulePackage(folder) {
  for (let at = folder; !at.endsWith("/node_modules"); at = dirname(at)) {
    const file = join(at, "package.json");
    if (existsSync(file)) {
      try {
        return JSON.parse(readFileSync(file, "utf8"))?.type === "module";
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (at === dirname(at)) return false;
  }
  return false;
}

/** The folder of this client. */
export const ownFolder = fileURLToPath(new URL(".", import.meta.url)).slice(0, -1);

let hooked = false;

const mentions = (file, pattern) => statSync(file).isFile() && pattern.test(readFileSync(file, "latin1"));

const looked = new Map();

/** Whether a folder of NODE_PATH has anything to be found; what is no folder has not. */
export function holdsAnything(folder) {
  if (!looked.has(folder)) {
    try {
      looked.set(folder, readdirSync(folder).length > 0);
    } catch {
      looked.set(folder, false);
    }
  }
  return looked.get(folder);
}

/**
 * Lets `import` look into NODE_PATH where Node itself does not, as AWS's runtimes do. Called before any code of the
 * function: a failed `import` is remembered by Node and would fail again.
 */
function resolveImportsThroughNodePath(file, imports) {
  if (hooked) return;
  const named = (process.env.NODE_PATH ?? "").split(":").filter((folder) => folder !== "");
  // The runtime's and the function's folder are in every NODE_PATH; for them alone the hooks are not worth their
  // time, because that is where Node looks anyway, in `node_modules`.
  const usual = [ownFolder, process.env.LAMBDA_TASK_ROOT];
  // The runtime's own folder for modules is always there, and empty until the AWS SDK has been added. What does not exist
  // is asked for first: an error takes longer.
  if (!named.some((folder) => !usual.includes(folder) && existsSync(folder) && holdsAnything(folder))) return;
  const folders = named.filter((folder) => existsSync(folder));
  if (typeof nodeModule.registerHooks === "function") {
    hooked = true;
    const { resolveSync } = requireUser("./node-path.cjs");
    nodeModule.registerHooks({
      resolve: (specifier, context, next) => resolveSync(folders, specifier, context, next),
    });
  } else if (mentions(file, imports)) {
    // Before Node.js 22.15 hooks run in a thread of their own, whose start takes longer than that of all the rest: a
    // handler pays for it only if its text shows that it imports at all.
    hooked = true;
    nodeModule.register("./node-path.cjs", import.meta.url, { data: folders });
  }
}

const requireFile = (file) => {
  resolveImportsThroughNodePath(file, /import\(/);
  return requireUser(file);
};

// Set by `loadHandler`.
let importer;

/** Imports a file, by another name if there is one. */
export const importFile = (file, specifier = file) => {
  // What an ES module needs of others it imports, or exports from them.
  resolveImportsThroughNodePath(file, /\b(import|from)\b/);
  return readsAtOnce && !hooked ? importAtOnce(file, specifier) : importer(specifier);
};

let readsAtOnce = false;

/**
 * Imports a file that Node.js reads with one call, where it otherwise asks four times for one of its threads to wake up. Its
 * function for that is another until it is called, which is before any code of the file runs.
 */
async function importAtOnce(file, specifier) {
  const ordinary = promises.readFile;
  const restore = () => (promises.readFile = ordinary);
  // In others Node.js sees a query, or what stands for other characters.
  const isPlain = /^[\w/.-]+$/.test(file);
  promises.readFile = function readFile(...words) {
    restore();
    try {
      return readFileSync(isPlain ? file : words[0]);
    } catch {
      // Again, so that the error is the ordinary one.
      return ordinary(...words);
    }
  };
  try {
    return await importer(specifier);
  } finally {
    restore();
  }
}

/** Finds out whether this Node.js reads modules by the function that can be another; `specifier` is one not imported yet. */
export async function tryImportAtOnce(specifier) {
  const ordinary = promises.readFile;
  promises.readFile = (...words) => {
    promises.readFile = ordinary;
    readsAtOnce = true;
    // Not by its threads either: those that it has begun are frozen and thawed with each pause of the function.
    return readFileSync(words[0]);
  };
  try {
    await importer(specifier);
  } finally {
    promises.readFile = ordinary;
  }
}

/** From nodejs24.x on everything that lies in the function's folder is imported, CommonJS too. */
async function importFirst(root, folder, file) {
  const path = resolvePath(root, folder.replace(/\/$/, ""), file);
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    if (existsSync(path + extension)) return importFile(path + extension);
  }
  return requireFile(requireUser.resolve(file, { paths: [root, join(root, folder)] }));
}

async function loadModule(root, folder, file) {
  const path = resolvePath(root, folder, file);
  if (existsSync(path)) {
    try {
      return requireFile(path);
    } catch (error) {
      // A folder that happens to have the handler's name is no module.
      const isMissing = error.code === "MODULE_NOT_FOUND" && error.message.includes(`'${path}'`);
      if (!isMissing || file === "") throw error;
    }
  }
  if (existsSync(path + ".js")) {
    return isModulePackage(dirname(path)) ? importFile(path + ".js") : requireFile(path + ".js");
  }
  if (existsSync(path + ".mjs")) return importFile(path + ".mjs");
  if (existsSync(path + ".cjs")) return requireFile(path + ".cjs");
  return requireFile(requireUser.resolve(file, { paths: [root, resolvePath(root, folder)] }));
}

async function loadUserModule(root, folder, file) {
  try {
    return await (MODERN ? importFirst : loadModule)(root, folder, file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    const isError = !MODERN || error instanceof Error;
    if (isError && error.code === "MODULE_NOT_FOUND") throw new ImportModuleError(error);
    throw error;
  }
}

const isObject = (value) => typeof value === "object" && value !== null;

/** The export of that name; from nodejs24.x on also an export of the default export. */
function find(userModule, keys) {
  if (!MODERN) return keys.reduce((value, key) => value && value[key], userModule);
  const within = (start) => keys.reduce((value, key) => (isObject(value) ? value[key] : undefined), start);
  return within(userModule) || (isObject(userModule) && "default" in userModule ? within(userModule.default) : undefined);
}

/** The function that `handler` names in the folder `root`. `importModule` is `import` as the caller's file sees it. */
export async function loadHandler(root, handler, importModule) {
  importer = importModule;
  const { folder, file, path } = split(handler);
  const userModule = await loadUserModule(root, folder, file);
  const found = find(userModule, path.split("."));
  if (!found) throw new HandlerNotFound(`${handler} is undefined or not exported`);
  if (typeof found !== "function") throw new HandlerNotFound(`${handler} is not a function`);
  return found;
}
