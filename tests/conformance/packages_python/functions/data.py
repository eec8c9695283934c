import numpy
import pandas


def handler(event, context):
    frame = pandas.DataFrame({"value": event["values"]})
    product = numpy.array([[1, 2], [3, 4]]) @ numpy.array([1, 1])
    return {"mean": float(frame["value"].mean()), "product": product.tolist(), "frame": frame.to_dict("records")}
