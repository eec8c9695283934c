// What stands for a function while the client gets warm (waiting.mjs).
exports.handler = async (event) => event;
