"""The exceptions that ovquant raises on purpose.

OvquantError                 anything below; the command line prints its message and exits with 1
├── UsageError               an option, name or value that cannot be used as given
│   └── UnknownPluginError   a plugin name that nothing registers
├── PluginError              a plugin that is registered but broken, or registered twice
├── ModelError               a model that cannot be read, used or built
│   └── CompileError         a model that the device cannot compile
├── DataError                data that cannot be read, split or fed to the model
├── MetricError              a metric that fails or gives something that is not a score
├── DeviceError              a device that is missing or refuses the model
├── LostError                a process that measured and was lost: it crashed, was killed, or gave no answer in time
├── ExecutorError            workers elsewhere that cannot be reached, or are none that may be asked
│   └── OtherProcessorError  workers elsewhere of the same versions that compute otherwise
└── OutputError              a folder or file that cannot be written as asked
"""


class OvquantError(Exception):
    """Root of every error that ovquant raises on purpose."""


class UsageError(OvquantError):
    """An option, name or value that cannot be used as given."""


class UnknownPluginError(UsageError):
    """A plugin name that nothing registers."""


class PluginError(OvquantError):
    """A plugin that is registered but broken, or registered twice."""


class ModelError(OvquantError):
    """A model that cannot be read, used or built."""


class ExampleError(ModelError):
    """A PyTorch model that is to be traced and has no input to trace it with."""


class CompileError(ModelError):
    """A model that the device cannot compile."""


class DataError(OvquantError):
    """Data that cannot be read, split or fed to the model."""


class MetricError(OvquantError):
    """A metric that fails or gives something that is not a score."""


class DeviceError(OvquantError):
    """A device that is missing or refuses the model."""


class LostError(OvquantError):
    """A process that measured and was lost: it crashed, was killed, or gave no answer in time (`hung`)."""

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class ExecutorError(OvquantError):
    """Workers elsewhere that cannot be reached, or are none that may be asked."""


class OtherProcessorError(ExecutorError):
    """Workers elsewhere of the same versions that compute otherwise, so that scores are taken here."""


class OutputError(OvquantError):
    """A folder or file that cannot be written as asked."""
