r"""In one's own training run: how near is the student to its teacher, epoch by epoch?"""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from equiv.integrations.lightning import Compare


class Student(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 64), nn.Tanh())
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch, _):
        x, y = batch
        return nn.functional.mse_loss(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


pl.seed_everything(0)
teacher = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
x = torch.randn(512, 2)
data = DataLoader(TensorDataset(x, teacher(x).detach()), batch_size=64, shuffle=True)

watch = Compare(teacher, torch.randn(200, 2), every_n_epochs=4)  # inputs that nobody is trained on
logger = pl.loggers.CSVLogger(".")  # or whichever: compare/a_to_b and others are logged as everything is
trainer = pl.Trainer(max_epochs=16, callbacks=[watch], accelerator="cpu", logger=logger, log_every_n_steps=8)
trainer.fit(Student(), data)

for epoch, result in watch.results.items():
    there, back = result.a_to_b.error, result.b_to_a.error
    print(f"epoch {epoch:2}: {result.verdict}, to the teacher {there}, back {back}")
