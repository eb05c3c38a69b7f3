"""Moves the plots of a picture to where a page expects them. Pure."""

import re

from otpconv.charts.timeline import Frame

#: Size of a picture, and place of its plots in it, as Vega writes them.
_SIZE = re.compile(r'width="[0-9.]+" height="[0-9.]+" viewBox="[-0-9. ]+"')
_PLACE = re.compile(r'transform="translate\(([-0-9.]+),([-0-9.]+)\)"')


def fitted(svg: str, frame: Frame) -> str:
    """Return a picture whose plots are where `frame` says: Vega leaves room for labels that stick out.

    Raises:
        ValueError: the picture is not one of Vega's.
    """
    size, place = _SIZE.search(svg), _PLACE.search(svg)
    if size is None or place is None:
        raise ValueError("not a picture of Vega's")
    x, y = float(place[1]) - frame.left, float(place[2]) - frame.top
    view = f'width="{frame.width}" height="{frame.height}" viewBox="{x:g} {y:g} {frame.width} {frame.height}"'
    return f"{svg[: size.start()]}{view}{svg[size.end() :]}"
