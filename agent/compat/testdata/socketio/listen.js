// A HIS as it listens to the HN212/JTH box: node listen.js 2|4 URL polling|websocket|both [namespace]
// It tells what happens as lines of JSON, and ends when its standard input does.
const [, , version, url, transport, namespace = ""] = process.argv;
const made = require("socketio" + version);
const connect = made.io || made;
const tell = (what, value) => console.log(JSON.stringify({ what, value }));
const socket = connect(url + namespace, {
  transports: transport === "both" ? ["polling", "websocket"] : [transport],
  forceNew: true,
  reconnectionDelay: 100,
});
const engine = () => socket.io.engine && socket.io.engine.transport.name;
socket.on("connect", () => {
  tell("connect", engine());
  socket.io.engine.on("upgrade", (t) => tell("upgrade", t.name));
});
socket.on("connect_error", (e) => tell("connect_error", String((e && e.message) || e)));
socket.on("error", (e) => tell("error", String((e && e.message) || e)));
socket.on("disconnect", (why) => tell("disconnect", why));
socket.on("/event", (data) => tell("event", data));
process.stdin.on("end", () => process.exit(0)).resume();
