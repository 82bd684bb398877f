"""What training leaves and everything else reads: checkpoints, finished stages, pretrained parts.

`trainable` writes portable checkpoints, which resume on any number of workers. `finished` writes
and describes the folder of a stage: projector, adapter, lineage. `load` makes a model of such a
folder, and `lineage` says what that model was made of:

    trained = load_trained(Path("runs/quickstart/finetune"))
"""
