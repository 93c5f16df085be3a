"""The same recipe on one GPU or several, and in which precision."""
from __future__ import annotations

from dataclasses import asdict, dataclass

from mmengine.config import Config

from ..recipes.processes import share

# torch reads it when it starts: TF32 in matrix products, not in convolutions
# alone, where cuDNN has it on by default
TF32 = dict(TORCH_ALLOW_TF32_CUBLAS_OVERRIDE='1')


@dataclass(frozen=True)
class Hardware:
    """What of the hardware decides a training.

    Attributes:
        gpus: GPUs of a training.
        amp: Automatic mixed precision, float16 (``--amp``).
        tf32: TF32 for matrix products.
    """
    gpus: int = 1
    amp: bool = False
    tf32: bool = False

    @property
    def precision(self) -> str:
        """``'float16'``, ``'tf32'`` or ``'float32'``."""
        return 'float16' if self.amp else 'tf32' if self.tf32 else 'float32'

    @property
    def arguments(self) -> list[str]:
        """What is said to ``mim train``."""
        found = ['--gpus', str(self.gpus), '--launcher', 'pytorch'] \
            if self.gpus > 1 else []
        return found + ['--amp'] * self.amp

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of ``mim train``."""
        return dict(TF32) if self.tf32 else {}

    def record(self) -> dict[str, int | bool]:
        """The attributes, for ``run.json``.

        Returns:
            JSON data.
        """
        return asdict(self)

    def options(self, cfg: Config) -> tuple[str, ...]:
        """Options that keep the clips of an update what the recipe says.

        A recipe says them as ``auto_scale_lr.base_batch_size`` clips a step
        times ``accumulative_counts`` steps; its learning rate is for these.

        Args:
            cfg: As it trains on one GPU.

        Returns:
            ``--cfg-options``. Where GPUs share the steps of an update, each
            normalises over its own clips, as one GPU does in one step after
            the other. Where they share the clips of a step, batch norm looks
            at those of all.

        Raises:
            ConfigError: If the GPUs cannot share an update evenly.
        """
        return tuple(f'{key}={value}' for key, value in
                     share(cfg, self.gpus).items())


ONE = Hardware()
