"""A web application of Flask that knows nothing of Lambda."""

import time

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/ready")
def ready():
    return "ready"


@app.route("/hello/<name>", methods=["GET", "POST"])
def hello(name):
    return jsonify(name=name, query=request.args.to_dict(), body=request.get_data(as_text=True)), 201, {"x-web": "flask"}


@app.get("/events")
def events():
    def stream():
        for number in range(100):
            yield f"data: {number}\n\n"
            time.sleep(0.1)

    return Response(stream(), mimetype="text/event-stream")


app.run(port=8080)
