"""Data that comes with Python, and readers of the user's own."""

from nnfun.data.idx import mnist as mnist
from nnfun.data.idx import read_idx as read_idx
from nnfun.data.images import Images as Images
from nnfun.data.images import digits as digits
from nnfun.data.text import Vocabulary as Vocabulary
from nnfun.data.text import decode as decode
from nnfun.data.text import default_text as default_text
from nnfun.data.text import encode as encode
from nnfun.data.text import read_text as read_text
from nnfun.data.text import simplify as simplify
from nnfun.data.text import split as split
from nnfun.data.text import vocabulary as vocabulary
