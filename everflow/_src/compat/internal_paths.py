"""Which public namespaces serve TensorFlow's internal module paths.

Programs import `tensorflow.python.*`, `tensorflow.core.*` and `tensorflow.contrib.*.python.*` although
these were never public.  Each path is served by a list of places that are searched for a name, in order:

    "v1:nn"  a namespace of the 1.x names      "v2:nn"  of the 2.x names      "raw:"  the raw operations
    "module:everflow._src.framework.nest"      a module, its attributes as they are

A path that stands here promises nothing about names: those that no place has raise an error.
"""

from __future__ import annotations

_HELPERS = "module:everflow._src.compat.internal_helpers"
_V1 = "v1: v2:"
_FRAMEWORK = "module:everflow._src.framework"
_VARIABLES = "module:everflow._src.variables"
_TRAINING = "module:everflow._src.training"

SEARCHED: dict[str, str] = {
    # framework
    "python.framework.common_shapes": "",
    "python.framework.constant_op": _V1,
    "python.framework.convert_to_constants": "v1:graph_util v1:",
    "python.framework.device": "v1: v2:",
    "python.framework.device_spec": "v2: v1:",
    "python.framework.dtypes": f"v1:dtypes v1: {_FRAMEWORK}.dtypes",
    "python.framework.errors": "v1:errors",
    "python.framework.errors_impl": "v1:errors",
    "python.framework.func_graph": f"{_FRAMEWORK}.func_graph",
    "python.framework.graph_io": "v1:train v1:io",
    "python.framework.graph_util": "v1:graph_util",
    "python.framework.graph_util_impl": "v1:graph_util",
    "python.framework.importer": "v1:graph_util v1:",
    "python.framework.indexed_slices": _V1,
    "python.framework.load_library": "v1: v1:load_library",
    "python.framework.meta_graph": "v1:train",
    "python.framework.op_def_library": "",
    "python.framework.ops": f"{_V1} {_FRAMEWORK}.graph {_FRAMEWORK}.context",
    "python.framework.random_seed": "v1: v2:random v1:random",
    "python.framework.smart_cond": f"{_HELPERS} v1:",
    "python.framework.sparse_tensor": "v1: v1:sparse",
    "python.framework.tensor": _V1,
    "python.framework.tensor_conversion": _V1,
    "python.framework.tensor_conversion_registry": _V1,
    "python.framework.tensor_shape": f"v1: v1:compat {_FRAMEWORK}.tensor_shape",
    "python.framework.tensor_spec": _V1,
    "python.framework.tensor_util": "v1: v2: v1:compat",
    "python.framework.test_util": f"{_HELPERS} v1:test",
    "python.framework.type_spec": "v2: v1:",
    "python.framework.versions": "v1:version v1:",
    # operations
    "python.ops.array_grad": "",
    "python.ops.array_ops": "v1: v2: raw:",
    "python.ops.array_ops_stack": "v1: v2:",
    "python.ops.batch_ops": "v1: v2:",
    "python.ops.bitwise_ops": "v1:bitwise",
    "python.ops.candidate_sampling_ops": "v1:nn v1:random",
    "python.ops.check_ops": "v1: v1:debugging v2:debugging",
    "python.ops.clip_ops": "v1: v1:linalg",
    "python.ops.cond": _V1,
    "python.ops.confusion_matrix": "v1: v1:math v1:confusion_matrix",
    "python.ops.control_flow_assert": _V1,
    "python.ops.control_flow_case": _V1,
    "python.ops.control_flow_ops": f"v1: v2: module:everflow._src.ops.grouping {_HELPERS}",
    "python.ops.control_flow_switch_case": _V1,
    "python.ops.control_flow_util": f"v1: {_HELPERS}",
    "python.ops.ctc_ops": "v1:nn",
    "python.ops.custom_gradient": _V1,
    "python.ops.data_flow_ops": "v1: v1:queue",
    "python.ops.embedding_ops": "v1:nn",
    "python.ops.functional_ops": "v1: v1:math",
    "python.ops.gradient_checker": "v1:test",
    "python.ops.gradient_checker_v2": "v2:test",
    "python.ops.gradients": _V1,
    "python.ops.gradients_impl": _V1,
    "python.ops.gradients_util": _V1,
    "python.ops.histogram_ops": _V1,
    "python.ops.image_ops": "v1:image raw:",
    "python.ops.image_ops_impl": "v1:image",
    "python.ops.init_ops": f"v1: v1:initializers {_VARIABLES}.initializers v1:keras.initializers",
    "python.ops.init_ops_v2": "v2: v2:initializers v2:keras.initializers",
    "python.ops.inplace_ops": "raw:",
    "python.ops.io_ops": "v1: v1:io raw:",
    "python.ops.linalg_ops": "v1:linalg v1: raw:",
    "python.ops.linalg.linalg": "v1:linalg",
    "python.ops.linalg.linear_operator": "v1:linalg",
    "python.ops.list_ops": "raw:",
    "python.ops.logging_ops": "v1: v1:summary",
    "python.ops.lookup_ops": "v1:lookup v1: v1:lookup.experimental v2:lookup v1:initializers raw:",
    "python.ops.losses.losses": "v1:losses",
    "python.ops.losses.losses_impl": "v1:losses",
    "python.ops.losses.util": "v1:losses",
    "python.ops.map_fn": _V1,
    "python.ops.math_grad": "",
    "python.ops.math_ops": f"v1: v1:math v2:math v1:linalg v2: raw: {_HELPERS}",
    "python.ops.metrics": "v1:metrics",
    "python.ops.metrics_impl": "v1:metrics",
    "python.ops.nccl_ops": "",
    "python.ops.nn": "v1:nn v2:nn",
    "python.ops.nn_grad": "",
    "python.ops.nn_impl": "v1:nn v2:nn",
    "python.ops.nn_ops": "v1:nn v2:nn raw:",
    "python.ops.numerics": _V1,
    "python.ops.op_selector": "v1:graph_util",
    "python.ops.parallel_for.control_flow_ops": "v1: v2:",
    "python.ops.parallel_for.gradients": "v1: v2:",
    "python.ops.parsing_ops": "v1:io v1: raw:",
    "python.ops.partitioned_variables": "v1:",
    "python.ops.ragged.ragged_tensor": "v1: v1:ragged",
    "python.ops.random_ops": "v1:random v1: raw:",
    "python.ops.ref_variable": "v1:",
    "python.ops.resource_variable_ops": f"v1: {_VARIABLES}.resource_variable raw:",
    "python.ops.resource_variables_toggle": "v1:",
    "python.ops.resources": "v1:",
    "python.ops.rnn": "v1:nn",
    "python.ops.rnn_cell": "v1:nn.rnn_cell",
    "python.ops.rnn_cell_impl": "v1:nn.rnn_cell",
    "python.ops.script_ops": _V1,
    "python.ops.sets": "v1:sets",
    "python.ops.sets_impl": "v1:sets",
    "python.ops.signal.signal": "v1:signal",
    "python.ops.sparse_ops": "v1:sparse v1: raw:",
    "python.ops.special_math_ops": "v1: v1:math",
    "python.ops.standard_ops": "v1: v1:math",
    "python.ops.state_ops": "v1: raw:",
    "python.ops.stateful_random_ops": "v2:random",
    "python.ops.stateless_random_ops": "v1:random",
    "python.ops.string_ops": "v1:strings v1: raw:",
    "python.ops.summary_op_util": "v1:summary",
    "python.ops.summary_ops_v2": "v2:summary",
    "python.ops.template": f"v1: {_VARIABLES}.template",
    "python.ops.tensor_array_ops": "v1:",
    "python.ops.variable_scope": f"v1: {_VARIABLES}.scope {_VARIABLES}.variable_store",
    "python.ops.variable_v1": "v1:",
    "python.ops.variables": f"v1: v2: {_VARIABLES}.partitioned {_VARIABLES}.ref_variable",
    "python.ops.weights_broadcast_ops": "v1: v1:losses",
    "python.ops.while_loop": _V1,
    "python.ops.while_v2": _V1,
    "python.ops.distributions.bernoulli": "v1:distributions",
    "python.ops.distributions.categorical": "v1:distributions",
    "python.ops.distributions.distribution": "v1:distributions",
    "python.ops.distributions.distributions": "v1:distributions",
    "python.ops.distributions.kullback_leibler": "v1:distributions",
    "python.ops.distributions.normal": "v1:distributions",
    "python.ops.distributions.util": "v1:distributions",
    # eager execution and functions
    "python.eager.backprop": "v2: v1:",
    "python.eager.context": f"v1: {_HELPERS} v2:config {_FRAMEWORK}.context",
    "python.eager.def_function": "v2: v1:",
    "python.eager.function": "v2: v1:",
    "python.eager.polymorphic_function.polymorphic_function": "v2: v1:",
    "python.eager.tape": "",
    "python.framework.function": "v1:",
    "python.autograph.impl.api": "v2:autograph v2:autograph.experimental",
    "python.tf2": _HELPERS,
    # sessions, training, summaries
    "python.client.device_lib": f"{_HELPERS} v2:config",
    "python.client.session": "v1:",
    "python.client.timeline": "v1:",
    "python.checkpoint.checkpoint": "v2:train v1:train",
    "python.checkpoint.checkpoint_management": "v1:train",
    "python.pywrap_tensorflow": "v1:train v1:",
    "python.summary.summary": "v1:summary",
    "python.summary.summary_iterator": "v1:train",
    "python.summary.writer.writer": "v1:summary",
    "python.summary.writer.writer_cache": "v1:summary",
    "python.training.adadelta": "v1:train",
    "python.training.adagrad": "v1:train",
    "python.training.adam": "v1:train",
    "python.training.basic_session_run_hooks": "v1:train v1:estimator",
    "python.training.checkpoint_management": "v1:train",
    "python.training.checkpoint_utils": "v1:train",
    "python.training.coordinator": "v1:train",
    "python.training.device_setter": "v1:train",
    "python.training.evaluation": "v1:train",
    "python.training.ftrl": "v1:train",
    "python.training.gradient_descent": "v1:train",
    "python.training.input": "v1:train",
    "python.training.learning_rate_decay": "v1:train",
    "python.training.momentum": "v1:train",
    "python.training.monitored_session": "v1:train",
    "python.training.moving_averages": f"v1:train {_TRAINING}.moving_averages {_HELPERS}",
    "python.training.optimizer": f"v1:train {_TRAINING}.optimizer",
    "python.training.py_checkpoint_reader": "v1:train",
    "python.training.queue_runner": "v1:train",
    "python.training.queue_runner_impl": "v1:train",
    "python.training.rmsprop": "v1:train",
    "python.training.saver": "v1:train",
    "python.training.saving.saveable_object": "v1:train",
    "python.training.server_lib": "v1:train",
    "python.training.session_manager": "v1:train",
    "python.training.session_run_hook": "v1:train v1:estimator",
    "python.training.slot_creator": f"v1:train {_TRAINING}.slot_creator",
    "python.training.supervisor": "v1:train",
    "python.training.sync_replicas_optimizer": "v1:train",
    "python.training.tracking.base": "v1:train v1:",
    "python.training.tracking.data_structures": "v1:",
    "python.training.tracking.tracking": "v2:train v2:",
    "python.training.training": "v1:train",
    "python.training.training_ops": "raw:",
    "python.training.training_util": f"v1:train {_TRAINING}.global_step",
    "python.training.warm_starting_util": "v1:train",
    "python.trackable.autotrackable": "v2:train v2:",
    "python.trackable.base": "v2:train v2:",
    "python.trackable.data_structures": "v2:",
    # data, files, saved models
    "python.data.experimental.ops": "v1:data.experimental",
    "python.data.ops.dataset_ops": "v1:data",
    "python.data.ops.iterator_ops": "v1:data",
    "python.data.ops.multi_device_iterator_ops": "v1:data",
    "python.data.ops.readers": "v1:data",
    "python.data.util.nest": f"v1:nest {_FRAMEWORK}.nest",
    "python.lib.io.file_io": "v1:gfile v1:io.gfile",
    "python.lib.io.python_io": "v1:python_io",
    "python.lib.io.tf_record": "v1:io v1:python_io",
    "python.saved_model.builder": "v1:saved_model.builder v1:saved_model",
    "python.saved_model.load": "v2:saved_model",
    "python.saved_model.loader": "v1:saved_model.loader v1:saved_model",
    "python.saved_model.main_op": "v1:saved_model.main_op",
    "python.saved_model.save": "v2:saved_model",
    "python.saved_model.signature_constants": "v1:saved_model.signature_constants v1:saved_model",
    "python.saved_model.signature_def_utils": "v1:saved_model.signature_def_utils v1:saved_model",
    "python.saved_model.simple_save": "v1:saved_model",
    "python.saved_model.tag_constants": "v1:saved_model.tag_constants v1:saved_model",
    "python.saved_model.utils": "v1:saved_model.utils v1:saved_model",
    "python.tools.freeze_graph": "v1:graph_util",
    # layers, feature columns, estimators, distribution
    "python.layers.base": "v1:layers",
    "python.layers.convolutional": "v1:layers",
    "python.layers.core": "v1:layers",
    "python.layers.layers": "v1:layers",
    "python.layers.normalization": "v1:layers",
    "python.layers.pooling": "v1:layers",
    "python.layers.utils": f"{_HELPERS} v1:",
    "python.feature_column.feature_column": "v1:feature_column",
    "python.feature_column.feature_column_lib": "v1:feature_column",
    "python.feature_column.feature_column_v2": "v2:feature_column v1:feature_column",
    "python.estimator.estimator": "v1:estimator",
    "python.estimator.export.export": "v1:estimator.export",
    "python.estimator.inputs.inputs": "v1:estimator.inputs",
    "python.estimator.model_fn": "v1:estimator",
    "python.estimator.run_config": "v1:estimator",
    "python.estimator.training": "v1:estimator",
    "python.distribute.distribute_lib": "v2:distribute v1:distribute",
    "python.distribute.distribution_strategy_context": "v2:distribute",
    "python.distribute.mirrored_strategy": "v2:distribute",
    "python.distribute.reduce_util": "v2:distribute",
    "python.distribute.values": "v2:distribute",
    # platform and utilities
    "python.platform.app": "v1:app",
    "python.platform.benchmark": "v1:test",
    "python.platform.build_info": "v1:sysconfig",
    "python.platform.flags": "v1:flags v1:app.flags",
    "python.platform.gfile": "v1:gfile",
    "python.platform.googletest": "v1:test",
    "python.platform.resource_loader": "v1:resource_loader",
    "python.platform.sysconfig": "v1:sysconfig",
    "python.platform.test": "v1:test v2:test",
    "python.platform.tf_logging": "v1:logging",
    "python.profiler.model_analyzer": "v1:profiler",
    "python.profiler.option_builder": "v1:profiler",
    "python.types.core": "v2: v1:",
    "python.util.all_util": _HELPERS,
    "python.util.compat": "v1:compat",
    "python.util.deprecation": _HELPERS,
    "python.util.dispatch": _HELPERS,
    "python.util.function_utils": _HELPERS,
    "python.util.keras_deps": "",
    "python.util.lazy_loader": _HELPERS,
    "python.util.nest": f"v1:nest {_FRAMEWORK}.nest",
    "python.util.object_identity": _HELPERS,
    "python.util.serialization": _HELPERS,
    "python.util.tf_contextlib": "module:contextlib",
    "python.util.tf_decorator": _HELPERS,
    "python.util.tf_export": _HELPERS,
    "python.util.tf_inspect": f"{_HELPERS} module:inspect",
    # generated wrappers of the operations
    **{
        f"python.ops.gen_{group}_ops": "raw:"
        for group in (
            "array audio bitwise boosted_trees candidate_sampling checkpoint_ops clustering "
            "control_flow ctc cudnn_rnn data_flow dataset experimental_dataset functional image io "
            "linalg list logging lookup manip map math nccl nn parsing ragged_array ragged_conversion "
            "ragged_math random resource_variable rnn script sdca sendrecv sparse spectral state "
            "stateful_random stateless_random string summary tpu training user"
        ).split()
    },
}

# Keras was part of TensorFlow's sources; its modules are many, and their names are spread likewise.
KERAS_PREFIX = "python.keras"
KERAS_MODULES = frozenset(
    """activations backend backend_config callbacks constraints datasets engine engine.base_layer
    engine.functional engine.input_layer engine.input_spec engine.keras_tensor engine.network
    engine.sequential engine.topology engine.training estimator initializers
    initializers.initializers_v1 initializers.initializers_v2 layers layers.advanced_activations
    layers.convolutional layers.convolutional_recurrent layers.core layers.embeddings layers.local
    layers.merge layers.noise layers.normalization layers.ops.core layers.pooling layers.recurrent
    layers.recurrent_v2 layers.wrappers legacy_tf_layers losses metrics mixed_precision models
    optimizer_v1 optimizer_v2.adadelta optimizer_v2.adagrad optimizer_v2.adam
    optimizer_v2.gradient_descent optimizer_v2.learning_rate_schedule optimizer_v2.optimizer_v2
    optimizer_v2.rmsprop optimizers preprocessing preprocessing.image preprocessing.sequence
    preprocessing.text regularizers saving saving.hdf5_format saving.save saving.saving_utils utils
    utils.conv_utils utils.data_utils utils.generic_utils utils.layer_utils utils.losses_utils
    utils.multi_gpu_utils utils.np_utils utils.tf_utils wrappers""".split()
)
KERAS_PLACES = (
    "keras.layers keras.models keras.utils keras.backend keras.initializers keras.regularizers "
    "keras.constraints keras.optimizers keras.optimizers.schedules keras.losses keras.metrics "
    "keras.callbacks keras.activations keras.mixed_precision keras.preprocessing.image "
    "keras.preprocessing.sequence keras.preprocessing.text keras"
).split()

# Single names whose place differs from that of the rest of their module.
NAMES: dict[str, str] = {
    "python.framework.dtypes.float32_ref": "everflow._src.framework.dtypes:float32._as_ref",
    "python.framework.dtypes.float16_ref": "everflow._src.framework.dtypes:float16._as_ref",
    "python.framework.dtypes.float64_ref": "everflow._src.framework.dtypes:float64._as_ref",
    "python.framework.dtypes.int32_ref": "everflow._src.framework.dtypes:int32._as_ref",
    "python.framework.dtypes.int64_ref": "everflow._src.framework.dtypes:int64._as_ref",
    "python.framework.ops.EagerTensor": "everflow._src.framework.tensor:EagerTensor",
    "python.framework.ops.SymbolicTensor": "everflow._src.framework.tensor:SymbolicTensor",
    "python.framework.test_util.TensorFlowTestCase": "v1:test.TestCase",
    "python.ops.gradients_impl.gradients_v2": "v2:gradients",
    "python.ops.variables.RefVariable": "everflow._src.variables.ref_variable:RefVariable",
    "python.ops.ref_variable.RefVariable": "everflow._src.variables.ref_variable:RefVariable",
    "python.ops.variables.VariableV1": "v1:Variable",
    "python.ops.variable_v1.VariableV1": "v1:Variable",
    "python.ops.init_ops_v2.Constant": "v2:constant_initializer",
    "python.ops.init_ops_v2.Ones": "v2:ones_initializer",
    "python.ops.init_ops_v2.Zeros": "v2:zeros_initializer",
    "python.ops.resource_variable_ops.BaseResourceVariable":
        "everflow._src.variables.resource_variable:ResourceVariable",
    "python.ops.variable_scope._get_default_variable_store": "everflow._src.variables.variable_store:variable_store",
    "python.ops.init_ops_v2.glorot_normal": "v2:keras.initializers.glorot_normal",
    "python.platform.gfile.FastGFile": "v1:gfile.FastGFile",
    "python.platform.test.mock": "unittest:mock",
}

# Modules that are served whole: the messages of the protocol buffers, which TensorBoard carries too.
WHOLE: dict[str, str] = {
    **{
        f"core.framework.{name}_pb2": f"tensorboard.compat.proto.{name}_pb2"
        for name in (
            "allocation_description attr_value cost_graph full_type function graph node_def op_def "
            "resource_handle step_stats summary tensor tensor_description tensor_shape types variable "
            "versions"
        ).split()
    },
    **{
        f"core.protobuf.{name}_pb2": f"tensorboard.compat.proto.{name}_pb2"
        for name in (
            "cluster config debug meta_graph rewriter_config saved_object_graph saver struct "
            "trackable_object_graph verifier_config coordination_config"
        ).split()
    },
    "core.util.event_pb2": "tensorboard.compat.proto.event_pb2",
    "core.profiler.tfprof_log_pb2": "tensorboard.compat.proto.tfprof_log_pb2",
}
