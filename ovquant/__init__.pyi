from .api.apply import apply as apply
from .api.apply import refresh as refresh
from .api.benchmark import Contender as Contender
from .api.benchmark import benchmark as benchmark
from .api.check import check as check
from .api.compare import Compared as Compared
from .api.compare import compare as compare
from .api.diff import Difference as Difference
from .api.diff import diff as diff
from .api.evaluate import Comparison as Comparison
from .api.evaluate import evaluate as evaluate
from .api.export import export as export
from .api.inspect import Inspection as Inspection
from .api.inspect import inspect as inspect
from .api.options import Options as Options
from .api.plan import plan as plan
from .api.preview import Preview as Preview
from .api.preview import preview as preview
from .api.quantize import profile as profile
from .api.quantize import quantize as quantize
from .api.report import report as report
from .api.result import Result as Result
from .api.train import fake_quantize as fake_quantize
from .domain.budget import Budget as Budget
from .domain.budget import Drop as Drop
from .domain.plan import Plan as Plan
from .domain.recipe import Recipe as Recipe
from .domain.result import Checked as Checked
from .domain.sample import Generate as Generate
from .domain.sample import Sample as Sample
from .domain.sample import Tokens as Tokens
from .domain.trial import Score as Score
from .domain.trial import Timing as Timing
from .domain.trial import Trial as Trial
from .errors import (
    DataError as DataError,
)
from .errors import (
    DeviceError as DeviceError,
)
from .errors import (
    MetricError as MetricError,
)
from .errors import (
    ModelError as ModelError,
)
from .errors import (
    OutputError as OutputError,
)
from .errors import (
    OvquantError as OvquantError,
)
from .errors import (
    PluginError as PluginError,
)
from .errors import (
    UnknownPluginError as UnknownPluginError,
)
from .errors import (
    UsageError as UsageError,
)
from .live import (
    AsyncInferQueue as AsyncInferQueue,
)
from .live import (
    Core as Core,
)
from .live import (
    DriftError as DriftError,
)
from .live import (
    DriftWarning as DriftWarning,
)
from .live import (
    GuardedModel as GuardedModel,
)
from .live import (
    NotServedWarning as NotServedWarning,
)
from .live import (
    RecordedModel as RecordedModel,
)
from .live import (
    compile_model as compile_model,
)
from .live.guard import guard as guard
from .live.record import record as record

__version__: str

__all__ = [
    "AsyncInferQueue",
    "Budget",
    "Checked",
    "Compared",
    "Comparison",
    "Contender",
    "Core",
    "DataError",
    "DeviceError",
    "Difference",
    "DriftError",
    "DriftWarning",
    "Drop",
    "Generate",
    "GuardedModel",
    "Inspection",
    "MetricError",
    "ModelError",
    "NotServedWarning",
    "Options",
    "OutputError",
    "OvquantError",
    "Plan",
    "PluginError",
    "Preview",
    "Recipe",
    "RecordedModel",
    "Result",
    "Sample",
    "Score",
    "Timing",
    "Tokens",
    "Trial",
    "UnknownPluginError",
    "UsageError",
    "__version__",
    "apply",
    "benchmark",
    "check",
    "compare",
    "compile_model",
    "diff",
    "evaluate",
    "export",
    "fake_quantize",
    "guard",
    "inspect",
    "plan",
    "preview",
    "profile",
    "quantize",
    "record",
    "refresh",
    "report",
]
