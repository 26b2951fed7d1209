"""Nested structures: lists, tuples, named tuples, dicts and the like, with anything else as leaves.

What counts as nested, as `tf.nest` has it: every `collections.abc.Sequence` that is no text, every `Mapping`
(in the order of its sorted keys), views of a mapping, named tuples, attrs objects, objects with
`__tf_flatten__` and `__tf_unflatten__`, and transparent proxies (wrapt) of these. Sets, arrays, dataclasses
and None are leaves. General tree libraries cannot be asked to agree: optree, for one, walks an OrderedDict in
its own order and holds user-defined sequences and mappings to be leaves.

One algorithm serves every rule. What a class is to it, its `_Kind`, is looked up by type in a table that
fills itself; None stands for a leaf. A second table, for `expand_composites=True`, opens composite tensors
and their specs as well. These are recognised by their attributes, so that this file needs to know no tensor
class:

* a composite tensor has `_type_spec`; the spec's `_to_components(value)` gives a nest of parts and
  `_from_components(parts)` undoes it,
* a spec has `_component_specs`, the nest of specs of those parts (itself, if it describes one plain tensor).
"""

import collections.abc

from everflow._src.framework.export import export, export_constant


class _Kind:
    """How values of some class are taken apart and put together.

    `children(x)` is the sequence of parts in the order of flattening, `keys(x)` their names in paths, and
    `rebuild(x, parts)` makes a value like `x` from other parts. `label` says what it is in errors.
    """

    label = "sequence"

    def children(self, x):
        return x

    def keys(self, x):
        return range(len(self.children(x)))

    def rebuild(self, x, parts):
        return type(x)(parts)


class _Sequence(_Kind):
    pass


class _Range(_Kind):
    def rebuild(self, x, parts):
        return list(parts)


class _NamedTuple(_Kind):
    label = "named tuple"

    def keys(self, x):
        return x._fields

    def rebuild(self, x, parts):
        return type(x)(*parts)


def _sorted_keys(mapping):
    try:
        return sorted(mapping)
    except TypeError:
        raise TypeError(
            "A nested structure can hold a mapping only if its keys can be sorted. "
            f"Received the keys: {list(mapping)}"
        ) from None


class _Mapping(_Kind):
    label = "mapping"

    def children(self, x):
        return [x[key] for key in _sorted_keys(x)]

    def keys(self, x):
        return _sorted_keys(x)

    def rebuild(self, x, parts):
        # Flattened in the order of the sorted keys, but the new mapping keeps the order of the old one.
        values = dict(zip(_sorted_keys(x), parts))
        cls = type(x)
        if cls is dict:
            return {key: values[key] for key in x}
        try:
            if not isinstance(x, collections.abc.MutableMapping):
                return cls([(key, values[key]) for key in x])
            factory = getattr(x, "default_factory", None)
            made = cls() if factory is None else cls(factory)
            for key in x:
                made[key] = values[key]
            return made
        except TypeError as error:
            raise TypeError(
                f"Cannot make another {cls.__name__} like {x!r}: its constructor must accept "
                f"no argument or an iterable of pairs. Cause: {error}"
            ) from error


class _View(_Kind):
    label = "view of a mapping"

    def children(self, x):
        return list(x)

    def rebuild(self, x, parts):
        return list(parts)


class _Attrs(_Kind):
    label = "attrs object"

    def children(self, x):
        return [getattr(x, attribute.name) for attribute in type(x).__attrs_attrs__]

    def keys(self, x):
        return [attribute.name for attribute in type(x).__attrs_attrs__]

    def rebuild(self, x, parts):
        return type(x)(*parts)


class _Custom(_Kind):
    label = "object with __tf_flatten__"

    def children(self, x):
        return x.__tf_flatten__()[1]

    def rebuild(self, x, parts):
        return type(x).__tf_unflatten__(x.__tf_flatten__()[0], tuple(parts))


class _Composite(_Kind):
    """A composite tensor: one part, which is the nest of its components."""

    label = "composite tensor"

    def children(self, x):
        return (x._type_spec._to_components(x),)

    def keys(self, x):
        return (type(x).__name__,)

    def rebuild(self, x, parts):
        return x._type_spec._from_components(parts[0])


class _Spec(_Kind):
    """The spec of a composite tensor: one part, which is the nest of the component specs."""

    label = "composite tensor spec"

    def children(self, x):
        return (x._component_specs,)

    def keys(self, x):
        return (x.value_type.__name__,)

    def rebuild(self, x, parts):
        # Parts that are values, not specs, make a value: `tf.nest.pack_sequence_as(spec, tensors)`.
        return x._from_components(parts[0])


_LEAF = None
_SEQUENCE = _Sequence()
_RANGE = _Range()
_NAMED_TUPLE = _NamedTuple()
_MAPPING = _Mapping()
_VIEW = _View()
_ATTRS = _Attrs()
_CUSTOM = _Custom()
_COMPOSITE = _Composite()
_SPEC = _Spec()

# The class alone does not tell (a proxy, or a composite whose parts are itself): ask `_kind_of`.
_ASK = _Kind()


class _Kinds(dict):
    """The table from class to kind, which fills itself."""

    def __init__(self, expand_composites):
        super().__init__()
        self.expand_composites = expand_composites

    def __missing__(self, cls):
        kind = self[cls] = self._classify(cls)
        return kind

    def _classify(self, cls):
        if self.expand_composites and (hasattr(cls, "_type_spec") or hasattr(cls, "_component_specs")):
            return _ASK
        if any("__class__" in base.__dict__ for base in cls.__mro__[:-1]):
            # A transparent proxy: each object claims a class of its own.
            return _ASK
        if hasattr(cls, "__attrs_attrs__"):
            return _ATTRS
        if issubclass(cls, (str, bytes, collections.UserString)):
            return _LEAF
        if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
            return _NAMED_TUPLE
        if issubclass(cls, (range, memoryview)):
            return _RANGE
        if issubclass(cls, collections.abc.Sequence):
            return _SEQUENCE
        if issubclass(cls, collections.abc.Mapping):
            return _MAPPING
        if issubclass(cls, collections.abc.MappingView):
            return _VIEW
        if hasattr(cls, "__tf_flatten__") and hasattr(cls, "__tf_unflatten__"):
            return _CUSTOM
        return _LEAF


_PLAIN = _Kinds(expand_composites=False)
_EXPANDED = _Kinds(expand_composites=True)


def _kind_of(x, kinds):
    kind = kinds[type(x)]
    if kind is not _ASK:
        return kind
    cls = type(x)
    if kinds.expand_composites:
        if hasattr(cls, "_type_spec"):
            spec = x._type_spec
            return _LEAF if spec is None or spec._component_specs is spec else _COMPOSITE
        if hasattr(cls, "_component_specs"):
            return _LEAF if x._component_specs is x else _SPEC
    claimed = x.__class__
    return _LEAF if claimed is cls else kinds[claimed]


def _class_of(x):
    """The class of `x`, or that of what it is a proxy of."""
    cls = type(x)
    return x.__class__ if _PLAIN[cls] is _ASK else cls


def _rebuild(x, kind, parts):
    if _PLAIN[type(x)] is _ASK and kind is not _COMPOSITE and kind is not _SPEC:
        wrapped = getattr(x, "__wrapped__", None)
        if wrapped is not None:
            return type(x)(_rebuild(wrapped, kind, parts))
    return kind.rebuild(x, parts)


def _flatten_into(parts, leaves, kinds):
    for part in parts:
        kind = kinds[type(part)]
        if kind is _ASK:
            kind = _kind_of(part, kinds)
        if kind is None:
            leaves.append(part)
        elif kind is _SEQUENCE or kind is _NAMED_TUPLE:
            _flatten_into(part, leaves, kinds)
        else:
            _flatten_into(kind.children(part), leaves, kinds)


def _pack(structure, next_leaf, kinds):
    kind = kinds[type(structure)]
    if kind is _ASK:
        kind = _kind_of(structure, kinds)
    if kind is None:
        return next_leaf()
    parts = [
        next_leaf() if kinds[type(part)] is None else _pack(part, next_leaf, kinds)
        for part in kind.children(structure)
    ]
    cls = type(structure)
    if cls is list:
        return parts
    if cls is tuple:
        return tuple(parts)
    return _rebuild(structure, kind, parts)


def _shown(x):
    text = repr(x)
    return f"{text if len(text) <= 200 else text[:200] + '...'} (type {type(x).__name__})"


@export("nest.is_nested", v1=["nest.is_nested", "contrib.framework.nest.is_nested"])
def is_nested(seq):
    """Returns True if `seq` is a list, tuple, dict or another nested structure, even an empty one.

    >>> import everflow as tf
    >>> tf.nest.is_nested([1]), tf.nest.is_nested("text"), tf.nest.is_nested({1, 2})
    (True, False, False)
    """
    return _kind_of(seq, _PLAIN) is not None


# Its name in 1.x.
is_sequence = is_nested
export_constant(__name__, "is_sequence", v1=["contrib.framework.nest.is_sequence"])


def is_nested_or_composite(seq):
    """Returns True if `seq` is a nested structure, a composite tensor or the spec of one."""
    return _kind_of(seq, _EXPANDED) is not None


is_sequence_or_composite = is_nested_or_composite


def is_attrs(obj):
    """Returns True if `obj` is an object of a class made with attrs."""
    return _kind_of(obj, _PLAIN) is _ATTRS


def is_mapping(obj):
    """Returns True if `obj` is a mapping."""
    return isinstance(obj, collections.abc.Mapping)


def is_namedtuple(instance, strict=False):
    """Returns True if `instance` is a named tuple; with `strict`, not one of a subclass of a named tuple."""
    if _kind_of(instance, _PLAIN) is not _NAMED_TUPLE:
        return False
    return not strict or _class_of(instance).__base__ is tuple


def same_namedtuples(nest1, nest2):
    """Returns True if two named tuples have the same class name and the same fields."""
    return type(nest1).__name__ == type(nest2).__name__ and nest1._fields == nest2._fields


@export("nest.flatten", v1=["nest.flatten", "contrib.framework.nest.flatten"])
def flatten(structure, expand_composites=False):
    """Returns the leaves of `structure` as a list, depth first; mappings in the order of their sorted keys.

    >>> import everflow as tf
    >>> tf.nest.flatten({"b": [1, (2, 3)], "a": 4})
    [4, 1, 2, 3]

    Args:
      structure: A nested structure or a leaf.
      expand_composites: Whether composite tensors, such as `tf.RaggedTensor`, are taken apart.

    Raises:
      TypeError: If the keys of a mapping cannot be sorted.
    """
    kinds = _EXPANDED if expand_composites else _PLAIN
    leaves = []
    _flatten_into((structure,), leaves, kinds)
    return leaves


@export("nest.pack_sequence_as", v1=["nest.pack_sequence_as", "contrib.framework.nest.pack_sequence_as"])
def pack_sequence_as(structure, flat_sequence, expand_composites=False):
    """Returns a structure like `structure` whose leaves are the items of `flat_sequence`.

    >>> import everflow as tf
    >>> tf.nest.pack_sequence_as({"b": 0, "a": [0, 0]}, [1, 2, 3])
    {'b': 3, 'a': [1, 2]}

    Args:
      structure: A nested structure or a leaf.
      flat_sequence: The new leaves, in the order in which `flatten` gives them: a list or another sequence.
      expand_composites: Whether composite tensors are put together from their components.

    Raises:
      TypeError: If `flat_sequence` is no sequence, or the keys of a mapping cannot be sorted.
      ValueError: If the number of leaves is not the number of items.
    """
    kinds = _EXPANDED if expand_composites else _PLAIN
    if type(flat_sequence) is not list and not is_nested_or_composite(flat_sequence):
        raise TypeError(
            f"The leaves to pack must be a list or another sequence. Received: {_shown(flat_sequence)}"
        )
    flat = list(flat_sequence)
    if _kind_of(structure, kinds) is None:
        if len(flat) != 1:
            raise ValueError(
                f"The structure is a leaf, {_shown(structure)}, so one item is needed to pack it. "
                f"Received {len(flat)}: {_shown(flat_sequence)}"
            )
        return flat[0]
    expected = len(flatten(structure, expand_composites))
    if expected != len(flat):
        raise ValueError(
            f"The structure has {expected} leaves, but {len(flat)} items were given to pack into it. "
            f"Structure: {_shown(structure)}. Received: {_shown(flat_sequence)}"
        )
    return _pack(structure, iter(flat).__next__, kinds)


def _difference(first, second, check_types, kinds):
    """Returns (error class, reason) for the first difference of two structures, or None."""
    kind, other_kind = _kind_of(first, kinds), _kind_of(second, kinds)
    if kind is None and other_kind is None:
        return None
    composites = (_COMPOSITE, _SPEC)
    if kind is None or other_kind is None or (kind in composites) != (other_kind in composites):
        return ValueError, f"{_shown(first)} stands where the other has {_shown(second)}"
    if kind in composites:
        first_spec = first if kind is _SPEC else first._type_spec
        second_spec = second if other_kind is _SPEC else second._type_spec
        if first_spec.most_specific_common_supertype([second_spec]) is None:
            return ValueError, f"the composite tensors differ in type: {first_spec} and {second_spec}"
        return None
    if check_types and not (kind is _SEQUENCE and type(first) is type(second)):
        if kind is _NAMED_TUPLE and other_kind is _NAMED_TUPLE:
            same = same_namedtuples(first, second)
        elif kind is _MAPPING and other_kind is _MAPPING:
            if set(first) != set(second):
                return ValueError, f"the keys differ: {list(first)} and {list(second)}"
            same = True
        else:
            classes = (_class_of(first), _class_of(second))
            same = classes[0] is classes[1] or all(issubclass(cls, list) for cls in classes)
        if not same:
            return TypeError, f"the types differ: {_shown(first)} and {_shown(second)}"
    parts, other_parts = kind.children(first), other_kind.children(second)
    if len(parts) != len(other_parts):
        return ValueError, (
            f"the numbers of elements differ: {len(parts)} in {_shown(first)}, "
            f"{len(other_parts)} in {_shown(second)}"
        )
    for part, other_part in zip(parts, other_parts):
        if kinds[type(part)] is None and kinds[type(other_part)] is None:
            continue
        found = _difference(part, other_part, check_types, kinds)
        if found is not None:
            return found
    return None


@export(
    "nest.assert_same_structure",
    v1=["nest.assert_same_structure", "contrib.framework.nest.assert_same_structure"],
)
def assert_same_structure(nest1, nest2, check_types=True, expand_composites=False):
    """Raises an error unless two structures are nested alike; their leaves do not matter.

    Args:
      nest1: A nested structure or a leaf.
      nest2: Another one.
      check_types: Whether the classes of sequences and the keys of mappings must agree too. All mappings are
        of one type in this sense, and so are all subclasses of list, and named tuples of equal names and
        fields.
      expand_composites: Whether composite tensors must agree in type.

    Raises:
      ValueError: If the structures are nested differently, or mappings differ in their keys.
      TypeError: If two sequences differ in type and `check_types` is True.
    """
    if nest1 is nest2:
        return
    found = _difference(nest1, nest2, check_types, _EXPANDED if expand_composites else _PLAIN)
    if found is not None:
        error, reason = found
        raise error(
            f"The structures are not nested alike: {reason}.\n"
            f"First structure: {_shown(nest1)}\nSecond structure: {_shown(nest2)}"
        )


def _options(kwargs):
    """Takes `check_types` and `expand_composites` out of `kwargs`."""
    return kwargs.pop("check_types", True), kwargs.pop("expand_composites", False)


@export("nest.map_structure", v1=["nest.map_structure", "contrib.framework.nest.map_structure"])
def map_structure(func, *structure, **kwargs):
    """Returns a structure like the first one, whose leaves are `func` of the leaves of all structures.

    >>> import everflow as tf
    >>> tf.nest.map_structure(lambda x, y: x + y, [1, {"a": 2}], [10, {"a": 20}])
    [11, {'a': 22}]

    Args:
      func: A function of as many leaves as there are structures.
      *structure: Structures that are nested alike.
      **kwargs: `check_types` and `expand_composites`, as in `assert_same_structure`.

    Raises:
      TypeError: If `func` cannot be called, or two sequences differ in type.
      ValueError: If no structure is given, the structures are nested differently, or for other keywords.
    """
    if not callable(func):
        raise TypeError(f"The first argument of map_structure must be a function. Received: {_shown(func)}")
    if not structure:
        raise ValueError("map_structure needs at least one structure. Received none.")
    check_types, expand_composites = _options(kwargs)
    if kwargs:
        raise ValueError(
            "map_structure knows the keywords check_types and expand_composites. "
            f"Received: {', '.join(kwargs)}"
        )
    kinds = _EXPANDED if expand_composites else _PLAIN
    first = structure[0]
    if len(structure) == 1:
        if _kind_of(first, kinds) is None:
            return func(first)
        leaves = [func(leaf) for leaf in flatten(first, expand_composites)]
    else:
        for other in structure[1:]:
            assert_same_structure(first, other, check_types, expand_composites)
        columns = [flatten(one, expand_composites) for one in structure]
        leaves = [func(*row) for row in zip(*columns)]
    return _pack(first, iter(leaves).__next__, kinds)


# Structures that go deeper than another, the shallow one.


@export(v1=["contrib.framework.nest.assert_shallow_structure"])
def assert_shallow_structure(shallow_tree, input_tree, check_types=True, expand_composites=False):
    """Raises an error unless `input_tree` is nested at least as deeply as `shallow_tree`, and alike so far.

    Args:
      shallow_tree: The structure to follow; its leaves do not matter.
      input_tree: The structure that may hold more structures where `shallow_tree` has leaves.
      check_types: Whether a sequence must be an instance of the class of the one in `shallow_tree`.
      expand_composites: Whether composite tensors are taken apart.

    Raises:
      TypeError: If a leaf stands where `shallow_tree` is nested, or sequences differ in type.
      ValueError: If sequences differ in length or mappings in their keys.
    """
    kinds = _EXPANDED if expand_composites else _PLAIN
    for _ in _walk_up_to(shallow_tree, (input_tree,), check_types, kinds, ()):
        pass


def _check_shallow(shallow, kind, deep, deep_kind, check_types):
    if deep_kind is None:
        raise TypeError(
            f"The shallow structure has {_shown(shallow)} where the other has the leaf {_shown(deep)}."
        )
    composites = (_COMPOSITE, _SPEC)
    if (kind in composites) != (deep_kind in composites):
        raise TypeError(
            f"Only one of two parts is a composite tensor. Shallow: {_shown(shallow)}. Other: {_shown(deep)}."
        )
    if kind in composites:
        spec = shallow if kind is _SPEC else shallow._type_spec
        deep_spec = deep if deep_kind is _SPEC else deep._type_spec
        if spec.most_specific_common_supertype([deep_spec]) is None:
            raise ValueError(f"The composite tensors differ in type: {spec} and {deep_spec}.")
        return
    if check_types and not issubclass(_class_of(deep), _class_of(shallow)):
        same = (kind is _MAPPING and deep_kind is _MAPPING) or (
            kind is _NAMED_TUPLE and deep_kind is _NAMED_TUPLE and same_namedtuples(shallow, deep)
        )
        if not same:
            raise TypeError(f"The types differ. Shallow: {_shown(shallow)}. Other: {_shown(deep)}.")
    count, deep_count = len(kind.children(shallow)), len(deep_kind.children(deep))
    if count != deep_count:
        raise ValueError(
            f"The lengths differ: {count} in the shallow {_shown(shallow)}, {deep_count} in {_shown(deep)}."
        )
    if kind is _MAPPING and deep_kind is _MAPPING and check_types and set(shallow) - set(deep):
        missing = sorted(set(shallow) - set(deep))
        raise ValueError(f"Keys of the shallow structure are missing in the other: {missing}.")


def _walk_up_to(shallow, deeps, check_types, kinds, path):
    """Yields (path, parts of all `deeps`) for each leaf of `shallow`."""
    kind = _kind_of(shallow, kinds)
    if kind is None:
        yield path, deeps
        return
    columns = []
    for deep in deeps:
        deep_kind = _kind_of(deep, kinds)
        _check_shallow(shallow, kind, deep, deep_kind, check_types)
        columns.append(list(deep_kind.children(deep)))
    keys = list(kind.keys(shallow))
    parts = list(kind.children(shallow))
    if kind in (_COMPOSITE, _SPEC):
        # The parts inside a composite have no names that would mean anything, nor types that must agree.
        check_types = False
    for position, part in enumerate(parts):
        row = tuple(column[position] for column in columns)
        yield from _walk_up_to(part, row, check_types, kinds, (*path, keys[position]))


@export(v1=["contrib.framework.nest.flatten_up_to"])
def flatten_up_to(shallow_tree, input_tree, check_types=True, expand_composites=False):
    """Returns the parts of `input_tree` that stand where `shallow_tree` has leaves, as a list.

    Raises:
      TypeError, ValueError: As `assert_shallow_structure`.
    """
    kinds = _EXPANDED if expand_composites else _PLAIN
    return [parts[0] for _, parts in _walk_up_to(shallow_tree, (input_tree,), check_types, kinds, ())]


def flatten_with_tuple_paths_up_to(shallow_tree, input_tree, check_types=True, expand_composites=False):
    """Returns a list of (path, part) for the parts of `input_tree` where `shallow_tree` has leaves.

    Raises:
      TypeError, ValueError: As `assert_shallow_structure`.
    """
    kinds = _EXPANDED if expand_composites else _PLAIN
    walk = _walk_up_to(shallow_tree, (input_tree,), check_types, kinds, ())
    return [(path, parts[0]) for path, parts in walk]


@export(v1=["contrib.framework.nest.map_structure_up_to"])
def map_structure_up_to(shallow_tree, func, *inputs, **kwargs):
    """Returns a structure like `shallow_tree`, whose leaves are `func` of the parts of all `inputs` there.

    Args:
      shallow_tree: The structure to follow.
      func: A function of as many parts as there are inputs.
      *inputs: Structures at least as deep as `shallow_tree`.
      **kwargs: `check_types` and `expand_composites`; all others go to `func`.

    Raises:
      ValueError: If there is no input, and as `assert_shallow_structure`.
      TypeError: As `assert_shallow_structure`.
    """
    return map_structure_with_tuple_paths_up_to(
        shallow_tree, lambda path, *parts, **rest: func(*parts, **rest), *inputs, **kwargs
    )


def map_structure_with_tuple_paths_up_to(shallow_tree, func, *inputs, **kwargs):
    """Like `map_structure_up_to`, but `func` receives the path, a tuple of keys and indices, first."""
    if not inputs:
        raise ValueError("At least one structure is needed to map over. Received none.")
    check_types, expand_composites = _options(kwargs)
    kinds = _EXPANDED if expand_composites else _PLAIN
    # All checks come before the first call of `func`.
    rows = list(_walk_up_to(shallow_tree, inputs, check_types, kinds, ()))
    leaves = [func(path, *parts, **kwargs) for path, parts in rows]
    return _pack(shallow_tree, iter(leaves).__next__, kinds)


@export(v1=["contrib.framework.nest.get_traverse_shallow_structure"])
def get_traverse_shallow_structure(traverse_fn, structure, expand_composites=False):
    """Returns a shallow structure of bools: True at the leaves of `structure` that were reached.

    Args:
      traverse_fn: A function of a part that says whether to go into it: a bool, or a structure of bools that
        is a shallow one of the part.
      structure: The structure to go through.
      expand_composites: Whether composite tensors are taken apart.

    Raises:
      TypeError: If `traverse_fn` returns something else.
    """
    kinds = _EXPANDED if expand_composites else _PLAIN
    answer = traverse_fn(structure)
    kind = _kind_of(structure, kinds)
    if kind is None or isinstance(answer, bool):
        if not isinstance(answer, bool):
            raise TypeError(f"traverse_fn must return a bool for a leaf. Received: {_shown(answer)}")
        if kind is None or not answer:
            return answer
        answers = [True] * len(kind.children(structure))
    elif _kind_of(answer, kinds) is None:
        raise TypeError(f"traverse_fn must return a bool or a structure of bools. Received: {_shown(answer)}")
    else:
        assert_shallow_structure(answer, structure, expand_composites=expand_composites)
        answers = list(_kind_of(answer, kinds).children(answer))
    parts = []
    for go, part in zip(answers, kind.children(structure)):
        if not isinstance(go, bool):
            raise TypeError(f"traverse_fn must return a structure of bools. Received the part: {_shown(go)}")
        parts.append(get_traverse_shallow_structure(traverse_fn, part, expand_composites) if go else False)
    return _rebuild(structure, kind, parts)


# Paths.


def _walk(structure, kinds, path):
    kind = _kind_of(structure, kinds)
    if kind is None:
        yield path, structure
        return
    keys = kind.keys(structure)
    for key, part in zip(keys, kind.children(structure)):
        yield from _walk(part, kinds, (*path, key))


@export(v1=["contrib.framework.nest.yield_flat_paths"])
def yield_flat_paths(nest, expand_composites=False):
    """Yields the path of each leaf: a tuple of dict keys, field names and indices."""
    for path, _ in _walk(nest, _EXPANDED if expand_composites else _PLAIN, ()):
        yield path


def flatten_with_tuple_paths(structure, expand_composites=False):
    """Returns a list of (path, leaf), a path being a tuple of dict keys, field names and indices."""
    return list(_walk(structure, _EXPANDED if expand_composites else _PLAIN, ()))


@export(v1=["contrib.framework.nest.flatten_with_joined_string_paths"])
def flatten_with_joined_string_paths(structure, separator="/", expand_composites=False):
    """Returns a list of (path, leaf), a path being one text with `separator` between its parts."""
    pairs = flatten_with_tuple_paths(structure, expand_composites)
    return [(separator.join(map(str, path)), leaf) for path, leaf in pairs]


def map_structure_with_tuple_paths(func, *structure, **kwargs):
    """Like `map_structure`, but `func` receives the path, a tuple, first; other keywords go to `func`."""
    if not structure:
        raise ValueError("At least one structure is needed to map over. Received none.")
    return map_structure_with_tuple_paths_up_to(structure[0], func, *structure, **kwargs)


@export(v1=["contrib.framework.nest.map_structure_with_paths"])
def map_structure_with_paths(func, *structure, **kwargs):
    """Like `map_structure_with_tuple_paths`, but the path is one text with slashes between its parts."""

    def with_text(path, *leaves, **rest):
        return func("/".join(map(str, path)), *leaves, **rest)

    return map_structure_with_tuple_paths(with_text, *structure, **kwargs)


# Helpers that 1.x programs reach for.


@export(v1=["contrib.framework.nest.flatten_dict_items"])
def flatten_dict_items(dictionary):
    """Returns a dict in which nested keys and values are taken apart together.

    `{("a", "b"): (1, 2)}` becomes `{"a": 1, "b": 2}`.

    Raises:
      TypeError: If `dictionary` is no mapping.
      ValueError: If a key and its value are nested differently, or a key appears twice.
    """
    if not isinstance(dictionary, collections.abc.Mapping):
        raise TypeError(f"A mapping was expected. Received: {_shown(dictionary)}")
    flat = {}
    for key, value in dictionary.items():
        if not is_nested(key):
            keys, values = [key], [value]
        else:
            keys, values = flatten(key), flatten(value)
            if len(keys) != len(values):
                raise ValueError(
                    f"A key with {len(keys)} parts needs a value with as many. Received: {key!r}: {value!r}"
                )
        for one_key, one_value in zip(keys, values):
            if one_key in flat:
                raise ValueError(f"The key {one_key!r} appears twice in {_shown(dictionary)}.")
            flat[one_key] = one_value
    return flat


def list_to_tuple(structure):
    """Returns `structure` with every list in it replaced by a tuple."""
    kind = _kind_of(structure, _PLAIN)
    if kind is None:
        return structure
    parts = [list_to_tuple(part) for part in kind.children(structure)]
    return tuple(parts) if issubclass(_class_of(structure), list) else _rebuild(structure, kind, parts)
