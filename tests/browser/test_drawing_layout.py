"""The sequence picture as a browser lays it out: no text stands on another, and every text can be read."""

import sys
from pathlib import Path

import pytest
from person import Person

sys.path.append(str(Path(__file__).parents[1] / "unit"))  # the traces are those of the other tests

from recorded import ID, RUBBISH, TOKEN, TOLD, answered, answering, asking, refused, step

from cardnet.traces.drawing import STYLE, draw
from cardnet.traces.trace import Trace

TRACES = {
    "approved": answered("00"),
    "wrong merchant": refused("MERCHANT_NOT_ALLOWED", "57"),
    "silent issuer": Trace(ID, (*asking(), TOLD, step(5, "DEADLINE_EXCEEDED", **TOKEN), *answering("91"))),
    "dead tsp": Trace(ID, (*asking(), step(4, "UNAVAILABLE"), *answering("96"))),
    "replay": Trace(ID, (step(1, amount_minor="1240"), *answering("00", 9)), ["the record of it has not come"]),
    "rubbish": RUBBISH,
}

OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()])
  const dots = [...document.querySelectorAll('.seq-dot')].map((one) => ["a dot", one.getBoundingClientRect()])
  const on = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2
  const words = boxes.filter(([said]) => !/^[1-9]$/.test(said))
  return words.flatMap(([said, box], at) =>
    [...words.slice(at + 1), ...dots].filter(([, other]) => on(box, other)).map(([other]) => `${said} | ${other}`))
}"""

PALE = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9]+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
  const fill = (selector) => light(getComputedStyle(document.querySelector(selector)).fill)
  const grounds = [fill('.seq-page'), fill('.seq-inside')]
  return [...document.querySelectorAll('tspan')].filter((text) => !text.classList.contains('seq-number'))
    .filter((text) => grounds.some((ground) => ratio(light(getComputedStyle(text).fill), ground) < 4.5))
    .map((text) => text.textContent)
}"""


@pytest.mark.parametrize("name", TRACES)
async def test_no_text_stands_on_another_or_outside(person: Person, name: str) -> None:
    await person.page.set_content(f"<style>body {{ margin: 0 }} {STYLE}</style>{draw(TRACES[name])}")
    assert await person.page.evaluate(OVERLAPS) == []
    width = await person.page.evaluate("document.querySelector('.seq').getBoundingClientRect().right")
    rows = await person.page.evaluate(
        "[...document.querySelectorAll('g text')].map((text) => text.getBoundingClientRect().right)"
    )
    assert max(rows) <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["approved", "wrong merchant", "silent issuer"])
async def test_every_text_can_be_read_in_light_and_dark(person: Person, name: str, scheme: str) -> None:
    await person.page.emulate_media(color_scheme=scheme)
    await person.page.set_content(f"<style>{STYLE}</style>{draw(TRACES[name])}")
    assert await person.page.evaluate(PALE) == []
