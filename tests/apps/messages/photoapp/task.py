"""The network, the data and the training of the app."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, ToTensor


class Net(nn.Module):
    """Three 5 x 5 convolutions with sigmoids, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, padding=2, stride=2)
        self.conv2 = nn.Conv2d(12, 12, 5, padding=2, stride=2)
        self.conv3 = nn.Conv2d(12, 12, 5, padding=2)
        self.fc = nn.Linear(12 * 8 * 8, 10)

    def forward(self, x):
        x = torch.sigmoid(self.conv1(x))
        x = torch.sigmoid(self.conv2(x))
        x = torch.sigmoid(self.conv3(x))
        return self.fc(x.flatten(1))


class Images(Dataset):
    """Smooth pictures by a seed: a few waves of color, as arrays of bytes."""

    transform = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])

    def __init__(self, count, seed):
        rng = torch.Generator().manual_seed(seed)
        at = torch.linspace(0, 1, 32)
        waves = torch.rand(count, 3, 4, generator=rng) * 9 - 4.5
        phases = torch.rand(count, 3, 2, generator=rng) * 6.3
        grid = waves[:, :, 0, None, None] * at[:, None] + waves[:, :, 1, None, None] * at
        other = waves[:, :, 2, None, None] * at[:, None] + waves[:, :, 3, None, None] * at
        images = torch.sin(grid + phases[:, :, 0, None, None]) + torch.sin(other + phases[:, :, 1, None, None])
        self.images = ((images + 2) / 4 * 255).byte().permute(0, 2, 3, 1).numpy()
        self.labels = torch.randint(10, (count,), generator=rng).tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"img": self.transform(self.images[index]), "label": self.labels[index]}


def load_data(partition_id, images, batch_size, seed):
    return DataLoader(Images(images, 1000 * seed + partition_id), batch_size=batch_size, shuffle=True)


def train(net, trainloader, epochs, lr):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    net.train()
    running_loss = 0.0
    for _ in range(epochs):
        for batch in trainloader:
            optimizer.zero_grad()
            loss = criterion(net(batch["img"]), batch["label"])
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
    return running_loss / len(trainloader)
