"""The softmax as its temperature goes from infinity to zero."""
