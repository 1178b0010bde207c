"""Published networks in torch, narrow where the paper's are wide, written from the papers apart from the reader."""


def networks(torch):
    """Return networks by name, in evaluation mode; each takes (1, channels, 32, 48)."""
    nn, functional = torch.nn, torch.nn.functional

    def block(a, b):
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU())

    class UNet(nn.Module):
        """Ronneberger et al. 2015, with padding."""

        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([block(3, 8), block(8, 16), block(16, 32)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
            self.after, self.last = nn.ModuleList([block(32, 16), block(16, 8)]), nn.Conv2d(8, 2, 1)

        def forward(self, x):
            first = self.down[0](x)
            second = self.down[1](functional.max_pool2d(first, 2))
            third = self.down[2](functional.max_pool2d(second, 2))
            second = self.after[0](torch.cat([second, self.up[0](third)], 1))
            return self.last(self.after[1](torch.cat([first, self.up[1](second)], 1)))

    class DnCNN(nn.Module):
        """Zhang et al. 2017: the noise is what is learned."""

        def __init__(self):
            super().__init__()
            inner = [
                layer
                for _ in range(3)
                for layer in (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
            ]
            self.noise = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), *inner, nn.Conv2d(16, 1, 3, padding=1, bias=False)
            )

        def forward(self, x):
            return x - self.noise(x)

    class EDSR(nn.Module):
        """Lim et al. 2017: residual blocks, scaled, and shuffled pixels."""

        def __init__(self):
            super().__init__()
            self.head = nn.Conv2d(3, 16, 3, padding=1)
            self.blocks = nn.ModuleList(
                [
                    nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
                    for _ in range(2)
                ]
            )
            self.tail = nn.Sequential(
                nn.Conv2d(16, 64, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(16, 3, 3, padding=1)
            )

        def forward(self, x):
            x = y = self.head(x)
            for each in self.blocks:
                y = y + 0.1 * each(y)
            return self.tail(x + y)

    class Mixed(nn.Module):
        """Kinds of layers that the others lack."""

        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, 2, 1)
            self.squeeze, self.excite = nn.Linear(8, 2), nn.Linear(2, 8)
            self.grouped, self.rectified = nn.Conv2d(8, 16, 3, padding=1, groups=4), nn.PReLU(16)
            self.gain = nn.Parameter(torch.full((16, 1, 1), 2.0))
            self.pool, self.head = nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Linear(16, 10)

        def forward(self, x):
            x = functional.hardswish(self.first(x))
            gates = torch.sigmoid(self.excite(functional.silu(self.squeeze(x.mean((2, 3))))))
            x = self.rectified(self.grouped(x * gates[:, :, None, None])) * self.gain
            x = functional.interpolate(functional.gelu(self.pool(x)), scale_factor=2, mode="bilinear")
            first, second = x.chunk(2, 1)
            x = functional.adaptive_avg_pool2d(torch.cat([second, first], 1), 1)
            return self.head(torch.flatten(x, 1))

    espcn = nn.Sequential(  # Shi et al. 2016
        *(nn.Conv2d(1, 64, 5, padding=2), nn.Tanh(), nn.Conv2d(64, 32, 3, padding=1), nn.Tanh()),
        *(nn.Conv2d(32, 9, 3, padding=1), nn.PixelShuffle(3)),
    )
    fsrcnn = nn.Sequential(  # Dong et al. 2016, d = 56, s = 12, m = 4
        *(nn.Conv2d(1, 56, 5, padding=2), nn.PReLU(56), nn.Conv2d(56, 12, 1), nn.PReLU(12)),
        *(layer for _ in range(4) for layer in (nn.Conv2d(12, 12, 3, padding=1), nn.PReLU(12))),
        *(nn.Conv2d(12, 56, 1), nn.PReLU(56), nn.ConvTranspose2d(56, 1, 9, 3, 4, output_padding=2)),
    )
    found = {
        "U-Net": UNet(),
        "DnCNN": DnCNN(),
        "ESPCN": espcn,
        "FSRCNN": fsrcnn,
        "EDSR": EDSR(),
        "mixed": Mixed(),
    }
    return {name: network.eval() for name, network in found.items()}
