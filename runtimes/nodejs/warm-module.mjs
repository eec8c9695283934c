// What stands for a function that is an ES module while the client gets warm (waiting.mjs).
export const handler = async (event) => event;
