// Module resolution hooks: a package that `import` does not find is looked for in the folders of NODE_PATH.
//
// CommonJS, because it is loaded both into the main thread and into the hooks' thread of older Node.js versions.

"use strict";

const { createRequire } = require("node:module");
const { dirname, basename, join } = require("node:path");
const { pathToFileURL } = require("node:url");

const isBare = (specifier) => !/^(?:[./]|[a-z][a-z0-9+.-]*:)/i.test(specifier);
const isMissing = (error) => error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND";

/** What to ask Node instead, for one folder: `[specifier, parentURL]`, or null where there is nothing. */
function alternative(folder, specifier) {
  if (basename(folder) === "node_modules") {
    // Node looks into the folder `node_modules` beside the importing file, with all rules of package.json.
    return [specifier, pathToFileURL(join(dirname(folder), "noop.js")).href];
  }
  try {
    return [pathToFileURL(createRequire(join(folder, "noop.js")).resolve("./" + specifier)).href, undefined];
  } catch {
    return null;
  }
}

function resolveSync(folders, specifier, context, next) {
  try {
    return next(specifier, context);
  } catch (error) {
    // `require` has searched NODE_PATH itself.
    if (!isBare(specifier) || !isMissing(error) || context.conditions?.includes("require")) throw error;
    for (const folder of folders) {
      const [name, parentURL] = alternative(folder, specifier) ?? [];
      if (name === undefined) continue;
      try {
        return next(name, parentURL === undefined ? context : { ...context, parentURL });
      } catch (missing) {
        if (!isMissing(missing)) throw missing;
      }
    }
    throw error;
  }
}

let threadFolders = [];

async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!isBare(specifier) || !isMissing(error)) throw error;
    for (const folder of threadFolders) {
      const [name, parentURL] = alternative(folder, specifier) ?? [];
      if (name === undefined) continue;
      try {
        return await next(name, parentURL === undefined ? context : { ...context, parentURL });
      } catch (missing) {
        if (!isMissing(missing)) throw missing;
      }
    }
    throw error;
  }
}

exports.initialize = (folders) => {
  threadFolders = folders;
};
exports.resolve = resolve;
exports.resolveSync = resolveSync;
