"""The compiled model and the requests that a guard watches."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import openvino

from ovquant.live.requests import PythonModel, arrays_of, given_inputs, is_dynamic, own_tensor, port_name
from ovquant.protocols import Array
from ovquant.runtime import outputs_of

if TYPE_CHECKING:
    from ovquant.live.guarding import Guard


class GuardedRequest(openvino.InferRequest):  # type: ignore[misc]  # openvino has no types
    """An InferRequest of a guarded model, which the float model answers once the guard has fallen back to it."""

    def __init__(self, request: openvino.InferRequest, model: "GuardedModel") -> None:
        """Wrap a request."""
        super().__init__(request)
        self._model = model
        self._picked: list[Array] | None = None
        self._callback: tuple[Callable[[Any], Any], Any] | None = None
        self._float: openvino.InferRequest | None = None
        self._float_runs = False

    def infer(self, inputs: Any = None, share_inputs: bool = False, *arguments: Any, **options: Any) -> Any:
        """Infer as openvino does."""
        guard = self._model.guard
        guard.check()
        if guard.serves_float:
            found = self._by_float().infer(
                self._model.guard.replica.tensors(self._arrays(inputs)), *arguments, **options
            )
            self._take_outputs()
            return found
        picked = self._arrays(inputs) if guard.picks() else None
        found = super().infer(self._safe(inputs, share_inputs), share_inputs, *arguments, **options)
        if picked is not None:
            guard.compare(picked, outputs_of(self))
        return found

    def start_async(self, inputs: Any = None, userdata: Any = None, share_inputs: bool = False, **options: Any) -> None:
        """Start as openvino does; what is picked is compared once it was waited for."""
        guard = self._model.guard
        guard.check()
        self._float_runs = guard.serves_float
        if self._float_runs:
            self._by_float().start_async(guard.replica.tensors(self._arrays(inputs)), userdata, **options)
            return
        self._picked = self._arrays(inputs) if guard.picks() else None
        super().start_async(self._safe(inputs, share_inputs), userdata, share_inputs, **options)

    def wait(self) -> None:
        """Wait as openvino does."""
        if self._float_runs:
            self._by_float().wait()
        else:
            super().wait()
        self._finish()

    def wait_for(self, timeout: int) -> bool:
        """Wait as openvino does, for some milliseconds at most."""
        done = bool(self._by_float().wait_for(timeout) if self._float_runs else super().wait_for(timeout))
        if done:
            self._finish()
        return done

    def set_callback(self, callback: Callable[[Any], Any], userdata: Any) -> None:
        """Set what is called with the user data when a request that was started is done."""
        self._callback, self._float = (callback, userdata), None
        super().set_callback(callback, userdata)

    def _finish(self) -> None:
        """Take the float model's outputs, or have what was picked compared."""
        if self._float_runs:
            self._take_outputs()
        elif self._picked is not None:
            self._model.guard.compare(self._picked, outputs_of(self))
            self._picked = None

    def _arrays(self, inputs: Any) -> list[Array]:
        return list(arrays_of(self._model.names, inputs, self))

    def _safe(self, inputs: Any, share_inputs: bool) -> Any:
        """Return what openvino is given, and have what is set in the request set anew where nothing is; see Replica."""
        if share_inputs or not self._model.is_dynamic:
            return inputs
        if inputs is not None:
            return self._model.own_tensors(inputs)
        for place in range(len(self._model.inputs)):
            self.set_input_tensor(place, self.get_input_tensor(place))
        return None

    def _by_float(self) -> openvino.InferRequest:
        """Return the float model's request, which is one of the guard's own copy of it."""
        if self._float is None:
            self._float = self._model.guard.replica.create_infer_request()
            if self._callback is not None:
                # Weakly, since this holds that request: neither would ever be destroyed.
                known = weakref.ref(self)
                self._float.set_callback(lambda given: _called_back(known(), given), None)
        return self._float

    def call_back(self, given: Any) -> None:
        """Call what was set, with the user data of the start where it had some."""
        self._take_outputs()
        if self._callback is not None:
            callback, userdata = self._callback
            callback(userdata if given is None else given)

    def _take_outputs(self) -> None:
        for place in range(len(self._model.outputs)):
            found = self._by_float().get_output_tensor(place)
            copy = openvino.Tensor(found.get_element_type(), found.get_shape())
            copy.data[...] = found.data
            self.set_output_tensor(place, copy)


def _called_back(request: GuardedRequest | None, given: Any) -> None:
    if request is not None:
        request.call_back(given)


class GuardedModel(PythonModel):
    """A compiled model that is watched; `guard` tells how it does."""

    def __init__(self, compiled: openvino.CompiledModel, watching: "Guard", kept: Any = None) -> None:
        """Wrap a compiled model; `kept` must live as long as it."""
        super().__init__(compiled)
        self._kept = kept
        self.guard = watching
        self.names = [port_name(port, place) for place, port in enumerate(self.inputs)]
        self.is_dynamic = is_dynamic(compiled)

    def own_tensors(self, inputs: Any) -> dict[int, openvino.Tensor]:
        """Return the inputs of a request as tensors that own their memory, so that openvino copies them nowhere else."""
        ports = self.inputs
        return {place: own_tensor(ports[place], value) for place, value in given_inputs(self.names, inputs).items()}

    def create_infer_request(self) -> GuardedRequest:
        """Return a request that is watched."""
        return GuardedRequest(super().create_infer_request(), self)
