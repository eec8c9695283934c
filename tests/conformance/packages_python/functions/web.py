from fastapi import FastAPI, HTTPException
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()


class Order(BaseModel):
    name: str
    amount: int


@app.get("/items/{name}")
async def item(name: str, a: int):
    return {"name": name, "a": a}


@app.post("/orders", status_code=201)
def order(given: Order):
    if given.amount < 0:
        raise HTTPException(409, "negative")
    return given


handler = Mangum(app, lifespan="off")
