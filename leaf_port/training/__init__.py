"""Training: the official recipe (example/train.py, example/data.py) on folders of recordings.

``python -m leaf_port train`` is made of these parts; they serve a loop of one's own as well::

    corpus = read_corpus(Path("speech_commands"))
    clips = Clips(corpus.splits["train"], sample_rate=16000, n_labels=len(corpus.labels))
    loader = DataLoader(clips, batch_size=64, shuffle=True)
"""

from leaf_port.training.clips import Clips as Clips
from leaf_port.training.corpus import Corpus as Corpus
from leaf_port.training.corpus import Item as Item
from leaf_port.training.layouts import read_corpus as read_corpus
from leaf_port.training.recipe import Recipe as Recipe
from leaf_port.training.run import train as train
