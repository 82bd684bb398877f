"""Settings of a training stage, and the job of one stage of one run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palo.capacity import WAIT_S
from palo.checkpoint.parts import ModelParts
from palo.model.lora import LoraSettings
from palo.storage import S3Path
from palo.train.stage_files import StageFiles
from palo.train.watch_settings import MetricsSettings, ValidationSettings

Trains = Literal["projector", "lora", "full"]
Dtype = Literal["float32", "bfloat16"]
BasePrecision = Literal["full", "nf4"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSettings:
    """AdamW with linear warm-up and cosine decay (reference: LLaVA-1.5's training scripts).

    Attributes:
        lr_projector: Peak learning rate of the projector.
        lr_language_model: Peak learning rate of the LoRA weights, or of the whole language model.
        betas: AdamW's decay rates of the first and second moment.
        lora_plus_ratio: Learning rate of LoRA's B matrices, which begin at zero, over that of its A
            matrices; above 1 it is LoRA+ (arXiv 2402.12354), which recommends 16.
        lr_new_tokens: Peak learning rate of the rows of new tokens, which have more to learn than
            what is adapted; None for ten times that of the language model.
        eps: AdamW's term against division by zero.
        weight_decay: Decoupled weight decay; biases and norms have none.
        warmup_ratio: Share of all steps in which the learning rate rises.
        max_grad_norm: Gradients are scaled down to this global L2 norm; 0 turns clipping off.
    """

    lr_projector: float
    lr_language_model: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    lora_plus_ratio: float = 1.0
    lr_new_tokens: float | None = None
    eps: float = 1e-8
    weight_decay: float = 0.0
    warmup_ratio: float = 0.03
    max_grad_norm: float = 1.0

    @property
    def new_token_rate(self) -> float:
        """Peak learning rate of the rows of new tokens."""
        own = self.lr_new_tokens
        return 10 * self.lr_language_model if own is None else own

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.new_token_rate < 0:
            yield f"lr_new_tokens is {self.lr_new_tokens} but can't be negative"
        for name in ("lr_projector", "lr_language_model", "weight_decay", "max_grad_norm"):
            if getattr(self, name) < 0:
                yield f"{name} is {getattr(self, name)} but can't be negative"
        if not 0 < self.lora_plus_ratio < float("inf"):
            yield f"lora_plus_ratio is {self.lora_plus_ratio} but must be above 0"
        if not 0 <= self.warmup_ratio < 1:
            yield f"warmup_ratio is {self.warmup_ratio} but must be at least 0 and below 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ZeroSettings:
    """How DeepSpeed shares the training state among workers.

    Attributes:
        stage: 1 optimizer states, 2 gradients too, 3 parameters too; auto takes the first of these
            that fits the GPUs with a margin, with as little recomputation as memory asks and in
            rows of `token_budget` tokens or fewer (palo.train.planner.sharding); on CPUs 3.
        offload: Keep optimizer states and, at stage 3, parameters in CPU memory.
        partition_at_load: Split the weights among workers while they are loaded, so that no worker
            ever holds the whole model. Only for stage 3.
        persistence_threshold: Parameters with fewer elements stay whole on every worker.
        bucket_elements: Elements per collective operation.
        live_parameters: Elements that may be gathered at once.
        whole_blocks: Gather the parameters of a transformer block together, not of each of its
            modules: quicker where blocks are small. Only for stage 3.
        hpz: Workers that share a second copy of the weights, as many as a node has GPUs: then
            weights are gathered within the node (hpZ of ZeRO++, arXiv 2306.10209). 1 for none;
            with stage auto, None where that is left open. Only for stage 3.
    """

    stage: Literal["auto", 1, 2, 3] = 3
    offload: bool = False
    partition_at_load: bool = False
    persistence_threshold: int = 100_000
    bucket_elements: int = 50_000_000
    live_parameters: int = 1_000_000_000
    whole_blocks: bool = False
    hpz: int | None = None

    @property
    def level(self) -> int:
        """The stage as a number.

        Raises:
            ValueError: If it is still to be chosen.
        """
        if self.stage == "auto":
            raise ValueError("zero.stage is auto: choose one by palo.train.planner.sharding")
        return self.stage

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself."""
        for name in ("partition_at_load", "whole_blocks"):
            if getattr(self, name) and self.stage not in ("auto", 3):
                yield f"{name} needs stage 3, not {self.stage}"
        if self.hpz is not None and self.hpz < 1:
            yield f"hpz is {self.hpz} but must be at least 1"
        if (self.hpz or 1) > 1 and self.stage not in ("auto", 3):
            yield f"hpz needs stage 3, not {self.stage}"
        if (self.hpz or 1) > 1 and self.offload:
            yield "hpz keeps a second copy of the weights on the GPUs: leave it out, or offload"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """The workers that Ray Train starts.

    Attributes:
        count: Number of workers; each holds one GPU, or CPU cores only.
        use_gpu: Whether a worker needs a GPU.
        cpus: Logical CPUs that each worker reserves.
        max_failures: How many lost workers are replaced before the stage gives up.
        wait_s: How long a cluster may take to bring up missing nodes, in seconds. A private Ray,
            which no node joins, isn't waited for.
        gpu_kinds: Kinds of GPU that will do, by Ray's names (A100, H100), the best first; all
            workers get one kind. None takes any, and kinds may mix.
        node_labels: Labels that the workers' nodes must have; by default, where nodes have roles,
            palo-role train with GPUs and palo-role data without.
        scratch: Folder on a disk of each machine's own, such as an SSD: weights and samples are
            copied there once, and what goes to a run folder on S3 is written there first. None
            reads them where they lie, and writes in the user's cache.
        least: Fewest workers that a stage goes on with while a lost one can't be replaced, half of
            them or a quarter and so on; it returns to `count` when the cluster can hold that. None
            waits for a replacement.
        stall_s: How long a worker may wait for the others, in seconds; then one of them hangs, and
            all are started again.
    """

    count: int = 2
    use_gpu: bool = False
    cpus: float = 1.0
    max_failures: int = 3
    wait_s: float = WAIT_S
    least: int | None = None
    stall_s: float = 1800.0
    gpu_kinds: tuple[str, ...] = ()
    node_labels: Mapping[str, str] = field(default_factory=dict)
    scratch: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.least is not None and not 1 <= self.least <= self.count:
            yield f"least is {self.least} but must be from 1 to count, {self.count}"
        if self.stall_s <= 0:
            yield f"stall_s is {self.stall_s} but must be above 0"
        if isinstance(self.scratch, S3Path):
            yield f"scratch must be a folder on a disk, not {self.scratch}"
        if self.count < 1:
            yield f"count is {self.count} but at least one worker is needed"
        if self.cpus <= 0:
            yield f"cpus is {self.cpus} but each worker needs some"
        if self.gpu_kinds and not self.use_gpu:
            yield f"gpu_kinds {', '.join(self.gpu_kinds)} are named, but use_gpu is off"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """One stage of training, complete but for the model and the corpus.

    Attributes:
        template: Conversation template that the corpus was encoded with.
        trains: The projector alone, LoRA weights and the projector, or the whole language model
            and the projector. The image tower never learns.
        optimizer: Learning rates and the like.
        global_batch: Samples per optimizer step, over all workers.
        token_budget: Most tokens, image tokens included, that one worker lays into one row; with
            zero.stage auto rows may be shorter.
        epochs: How often each sample is seen; on average, with `language_temperature`.
        max_steps: Stops after this many steps, with the learning rate decayed by then.
        lora: Adapter sizes; only when `trains` is "lora".
        train_projector: Whether the projector learns, too; without it, it stays as it was in the
            stage that this one starts from.
        train_new_tokens: With LoRA on a language model whose vocabulary was extended, the rows of
            its new tokens in the embeddings and the output head learn too, and no other rows.
        dtype: Number format of weights and activations; the optimizer always keeps float32.
        base_precision: "nf4" keeps the frozen language model's linear layers in 4 bits (QLoRA), in
            a quarter of the memory; it needs bitsandbytes and zero.stage 1 or 2. The adapter goes
            with the whole base.
        attention: "auto" takes the quickest that runs and comes to the same results: "palo_varlen",
            one kernel for all samples of a row, for bfloat16 on a GPU; elsewhere "palo_segments",
            which runs everywhere. "flash_attention_2" needs its package.
        chunked_loss: Compute the loss a few rows of logits at a time: gigabytes less for the
            vocabulary of 32,000, and rounded a little differently.
        activation_checkpointing: Recompute activations in the backward pass to save memory; with
            zero.stage auto, only of as many layers as memory asks.
        recompute_every: With it, which layers: 1 recomputes all, 2 every second one, which takes
            more memory and less time.
        zero: DeepSpeed's settings.
        workers: Ray Train's workers.
        checkpoint_every: Steps between checkpoints.
        checkpoint_every_s: Seconds between checkpoints, whichever comes first.
        keep_checkpoints: How many of the newest checkpoints stay.
        keep_best: How many of the best checkpoints stay besides: those with the lowest loss on
            held-out rows, the mean of the languages', or without such rows the lowest of training.
        result: Whose weights the finished stage has: those of the last step, or of the best
            checkpoint, which needs `keep_best` and held-out rows.
        store_wait_s: How long a run folder on S3 may be away before the stage ends, in seconds;
            it trains on meanwhile.
        languages: ISO 639-1 codes of the corpus' samples to train on; None for all. Runs in single
            languages can so share one corpus.
        language_temperature: Evens out how often the languages are seen: with n samples in a
            language it gets a weight of n ** (1 / language_temperature), in epochs of unchanged
            length. Samples of a scarce language then come several times in an epoch, those of an
            abundant one in turns. None sees each sample once an epoch.
        seed: Seed of the order of samples, of new weights and of dropout.
        validation: Rows that are held out, and when their loss is computed.
        metrics: Where metrics go beside the stage's folder.
    """

    template: str
    trains: Trains
    optimizer: OptimizerSettings
    global_batch: int = 128
    token_budget: int = 8192
    epochs: int = 1
    max_steps: int | None = None
    lora: LoraSettings | None = None
    train_projector: bool = True
    train_new_tokens: bool = True
    dtype: Dtype = "bfloat16"
    base_precision: BasePrecision = "full"
    attention: Literal["auto", "palo_segments", "palo_varlen", "flash_attention_2"] = "auto"
    chunked_loss: bool = False
    activation_checkpointing: bool = False
    recompute_every: int = 1
    zero: ZeroSettings = field(default_factory=ZeroSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    checkpoint_every: int = 500
    checkpoint_every_s: float = 600.0
    keep_checkpoints: int = 2
    keep_best: int = 0
    result: Literal["last", "best"] = "last"
    store_wait_s: float = 1800.0
    languages: tuple[str, ...] | None = None
    language_temperature: float | None = None
    seed: int = 42
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)

    def faults(self) -> Iterator[str]:
        """Yields what is out of range or contradicts itself."""
        for name in (
            "global_batch",
            "token_budget",
            "epochs",
            "checkpoint_every",
            "recompute_every",
        ):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.keep_checkpoints < 1:
            yield f"keep_checkpoints is {self.keep_checkpoints}, which would leave none to resume"
        if self.checkpoint_every_s <= 0:
            yield f"checkpoint_every_s is {self.checkpoint_every_s} but must be above 0"
        if self.keep_best < 0:
            yield f"keep_best is {self.keep_best} but can't be negative"
        if self.result == "best" and not (self.keep_best and self.validation.rows_per_language):
            yield "result best needs keep_best and validation.rows_per_language above 0"
        if self.languages is not None and not self.languages:
            yield "languages must name at least one language"
        temperature = self.language_temperature
        if temperature is not None and not 1 <= temperature < float("inf"):
            yield f"language_temperature must be at least 1, not {temperature}"
        if (self.trains == "lora") != (self.lora is not None):
            yield f"lora settings go with trains=lora, not with trains={self.trains}"
        if self.lora is not None and self.lora.dora and self.zero.stage == 3:
            yield "lora.dora needs zero.stage 2 or 1: under stage 3 no worker has whole weights"
        if self.base_precision == "nf4":
            if self.trains == "full":
                yield "base_precision nf4 keeps the language model frozen: trains=lora, not full"
            if self.zero.stage == 3:
                yield "base_precision nf4 needs zero.stage 2 or 1: DeepSpeed can't divide 4 bits"
            if self.lora is not None and self.lora.fused:
                yield "base_precision nf4 goes without lora.fused, which needs whole weights"
        if self.lora is None and self.optimizer.lora_plus_ratio != 1:
            yield f"optimizer.lora_plus_ratio goes with trains=lora, not with trains={self.trains}"
        if self.trains == "projector" and not self.train_projector:
            yield "trains=projector without train_projector would train nothing"
        if self.trains != "projector" and self.optimizer.lr_language_model == 0:
            yield f"optimizer.lr_language_model is 0 but trains={self.trains} needs it"


@dataclass(frozen=True, kw_only=True, slots=True)
class StageJob:
    """What a worker needs to train a stage.

    Attributes:
        name: The stage's name, for people: "pretrain" or "finetune".
        config: The stage's settings.
        parts: The pretrained parts of the model.
        corpus: Folder of the corpus.
        output: Folder of the stage, which every worker must see.
        projector: Finished stage whose projector is the start; a fresh one if None.
        recipe: Name of the recipe, for people; empty without one.
    """

    name: str
    config: StageConfig
    parts: ModelParts
    corpus: Path
    output: Path
    projector: Path | None = None
    recipe: str = ""

    @property
    def checkpoints(self) -> Path:
        """Folder of the portable checkpoints."""
        return self.output / "checkpoints"

    @property
    def metrics(self) -> Path:
        """File of the metrics of each step."""
        return self.files.metrics

    @property
    def files(self) -> StageFiles:
        """Files of those who watch the stage."""
        return StageFiles(self.output)

    @property
    def events(self) -> Path:
        """File of what happened besides the steps; made when something did."""
        return self.files.events

    @property
    def proof(self) -> Path:
        """File by which workers know the folder of the job's process while they run."""
        return self.output / ".proof"

    @property
    def stop_file(self) -> Path:
        """File whose presence asks the workers to save a checkpoint and end."""
        return self.output / "stop"
