"""What PyTorch asks of each of its operators: derivatives of every kind agree with each other.

Forward mode with reverse mode, second order by two ways and by differences, and ``vmap``, of
answers and of gradients, with one sample after the other. Asked of every declaration in float64;
what a layer can't have stands in its declaration with the reason (``Exceptions.without``).
"""
