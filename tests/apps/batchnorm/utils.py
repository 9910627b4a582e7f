"""The data."""

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Images(Dataset):
    """Smooth pictures by a seed: a few waves of color."""

    def __init__(self, count, seed, transform):
        rng = torch.Generator().manual_seed(seed)
        at = torch.linspace(0, 1, 32)
        waves = torch.rand(count, 3, 2, generator=rng) * 9 - 4.5
        phase = torch.rand(count, 3, 1, 1, generator=rng) * 6.3
        grid = waves[:, :, 0, None, None] * at[:, None] + waves[:, :, 1, None, None] * at
        self.images = ((torch.sin(grid + phase) + 1) / 2 * 255).byte().permute(0, 2, 3, 1).numpy()
        self.labels = torch.randint(10, (count,), generator=rng).tolist()
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def load_data(partition, count, batch_size, seed):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))])
    return DataLoader(Images(count, 1000 * seed + partition, transform), batch_size=batch_size, shuffle=True)
