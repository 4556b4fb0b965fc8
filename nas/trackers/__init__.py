"""What tells other programs of a run: TensorBoard, MLflow, Weights & Biases, and listeners of the user's own.

events --Listeners--> the screen
                 \\-> Aside, a thread for each tracker --> RunTracker --> a sink: tensorboard, mlflow, wandb
                                                     \\-> the user's own Listener
"""
