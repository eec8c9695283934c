"""Attacks: the event names one, the answer says whether it succeeded and what was seen.

The escape suite (tests/conformance/escape) runs each twice: without the fence that is to contain it, where the attack
has to succeed, and in a sandbox, where it must not.
"""

import errno

import files
import look
import network
import platform_api
import processes
import resources
from attempt import Refused

ATTACKS = {**files.ATTACKS, **network.ATTACKS, **platform_api.ATTACKS, **processes.ATTACKS, **resources.ATTACKS}


def lambda_handler(event, context):
    if "look" in event:
        return getattr(look, event["look"])()
    if "attack" not in event:
        return "well"
    try:
        return {"succeeded": True, "saw": ATTACKS[event["attack"]](event, context)}
    except Refused as refusal:
        return {"succeeded": False, "saw": str(refusal)}
    except OSError as error:
        return {"succeeded": False, "saw": errno.errorcode.get(error.errno, type(error).__name__)}
