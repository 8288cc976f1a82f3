"""The command ``serve``: HTTP around a model that crossfold has stored."""
