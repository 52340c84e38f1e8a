"""How a run's cost is told beforehand; `pipelines.estimate` is the way in.

`foresight` says what each step's request will hold, as far as the run's input tells; `sizes` how
long the texts in it are; `work` what that is in the units that providers sell. What is not known
stays unknown, with the reason, on all the way to the figure that it would have made.
"""
