"""One arm of the laboratory as an ordinary torch module, of torch's own parts."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.norm = nn.RMSNorm(width, eps=1e-6, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, width, bias=False)

    def forward(self, state):
        rows, length, width = state.shape
        parts = self.qkv(self.norm(state)).chunk(3, dim=-1)
        query, key, value = (part.view(rows, length, self.heads, -1).transpose(1, 2) for part in parts)
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5
        seen = torch.ones(length, length, dtype=torch.bool).tril()
        attended = scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value
        state = state + self.out(attended.transpose(1, 2).reshape(state.shape))
        return state + self.down(F.gelu(self.up(self.norm(state))))


class Plain(nn.Module):
    """The same network as `network` with the weights [P] of one arm."""

    def __init__(self, network, flat):
        super().__init__()
        width, language = network.sizes.width, network.language
        self.symbols = nn.Embedding(language.symbols, width)
        self.places = nn.Embedding(language.prompt_length + language.answer_length, width)
        self.norm = nn.RMSNorm(width, eps=1e-6, elementwise_affine=False)
        self.head = nn.Linear(width, language.symbols, bias=False)
        self.blocks = nn.ModuleList(Block(network.sizes) for _ in range(network.sizes.layers))
        weights = network.unpack(flat.unsqueeze(0))
        pairs = [(self.symbols, weights.symbols), (self.places, weights.places), (self.head, weights.head.mT)]
        for block, layer in zip(self.blocks, weights.layers, strict=True):
            parts = (block.qkv, block.out, block.up, block.down)
            pairs += [(part, matrix.mT) for part, matrix in zip(parts, layer, strict=True)]
        for part, matrix in pairs:
            part.weight.data = matrix[0].detach().clone()
        self.order = [part for part, _ in pairs]

    def forward(self, tokens):
        places = torch.arange(tokens.shape[-1])
        state = self.norm(self.symbols(tokens) + self.places(places))
        for block in self.blocks:
            state = block(state)
        return self.head(self.norm(state))

    def flat(self, read=lambda part: part.weight):
        """Weights, or gradients, in the lab's order, without the padding."""
        rows = [read(part) for part in self.order]
        return torch.cat([(row if at < 2 else row.T).reshape(-1) for at, row in enumerate(rows)])
