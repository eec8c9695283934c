// What goes on between invocations. The cases build on each other, in this order.

const cases = {};
let count = 0;
let go;
let left;
let released = false;

cases["a promise is left waiting"] = async () => {
  left = new Promise((resolve) => (go = resolve)).then(() => console.log("from before"));
  return "left";
};
cases["it goes on in the next invocation, with that one's request id"] = async () => { go(); await left; return "went on"; };
cases["globals are kept"] = async () => ++count;
cases["an error leaves them"] = async () => { count++; throw new Error("counted"); };
cases["the invocation after an error works as ever"] = async () => count;
cases["a timer is left"] = async () => {
  const tick = () => (released ? (console.log("timer of before"), go()) : setTimeout(tick, 1));
  setTimeout(tick, 1);
  left = new Promise((resolve) => (go = resolve));
  return 1;
};
cases["it ends in the next invocation"] = async () => { released = true; await left; };
cases["a listener of the process"] = async () => { process.once("custom", (value) => console.log("custom", value)); return process.emit("custom", 5); };
cases["a rejection that is handled late"] = async () => { const p = Promise.reject(new Error("late")); p.catch(() => console.log("caught")); await null; return 1; };

exports.handler = (...parameters) => cases[parameters[0].case](parameters[0].with, parameters[1], parameters[2]);
