"""Which classes are nested, and how their values are taken apart and put together.

What counts as nested, as `tf.nest` has it: every `collections.abc.Sequence` that is no text, every `Mapping`
(in the order of its sorted keys), views of a mapping, named tuples, attrs objects, objects with
`__tf_flatten__` and `__tf_unflatten__`, and transparent proxies (wrapt) of these. Sets, arrays, dataclasses
and None are leaves. General tree libraries cannot be asked to agree: optree, for one, walks an OrderedDict in
its own order and holds user-defined sequences and mappings to be leaves.

`nest.py` has one algorithm for every rule. What a class is to it, its `Kind`, is looked up by type in a table
that fills itself; None stands for a leaf. A second table, for `expand_composites=True`, opens composite
tensors and their specs as well. These are recognised by their attributes, so that this file needs to know no
tensor class:

* a composite tensor has `_type_spec`; the spec's `_to_components(value)` gives a nest of parts and
  `_from_components(parts)` undoes it,
* a spec has `_component_specs`, the nest of specs of those parts (itself, if it describes one plain tensor).
"""

import collections.abc


class Kind:
    """How values of some class are taken apart and put together.

    `children(x)` is the sequence of parts in the order of flattening, `keys(x)` their names in paths, and
    `rebuild(x, parts)` makes a value like `x` from other parts.
    """

    def children(self, x):
        return x

    def keys(self, x):
        return range(len(self.children(x)))

    def rebuild(self, x, parts):
        return type(x)(parts)


class _Sequence(Kind):
    pass


class _Range(Kind):
    def rebuild(self, x, parts):
        return list(parts)


class _NamedTuple(Kind):
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


class _Mapping(Kind):
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


class _View(Kind):
    def children(self, x):
        return list(x)

    def rebuild(self, x, parts):
        return list(parts)


class _Attrs(Kind):
    def children(self, x):
        return [getattr(x, attribute.name) for attribute in type(x).__attrs_attrs__]

    def keys(self, x):
        return [attribute.name for attribute in type(x).__attrs_attrs__]

    def rebuild(self, x, parts):
        return type(x)(*parts)


class _Custom(Kind):
    def children(self, x):
        return x.__tf_flatten__()[1]

    def rebuild(self, x, parts):
        return type(x).__tf_unflatten__(x.__tf_flatten__()[0], tuple(parts))


class _Composite(Kind):
    """A composite tensor: one part, which is the nest of its components."""

    def children(self, x):
        return (x._type_spec._to_components(x),)

    def keys(self, x):
        return (type(x).__name__,)

    def rebuild(self, x, parts):
        return x._type_spec._from_components(parts[0])


class _Spec(Kind):
    """The spec of a composite tensor: one part, which is the nest of the component specs."""

    def children(self, x):
        return (x._component_specs,)

    def keys(self, x):
        return (x.value_type.__name__,)

    def rebuild(self, x, parts):
        # Parts that are values, not specs, make a value: `tf.nest.pack_sequence_as(spec, tensors)`.
        return x._from_components(parts[0])


LEAF = None
SEQUENCE = _Sequence()
RANGE = _Range()
NAMED_TUPLE = _NamedTuple()
MAPPING = _Mapping()
VIEW = _View()
ATTRS = _Attrs()
CUSTOM = _Custom()
COMPOSITE = _Composite()
SPEC = _Spec()

# The class alone does not tell (a proxy, or a composite whose parts are itself): ask `kind_of`.
ASK = Kind()


class Kinds(dict):
    """The table from class to kind, which fills itself."""

    def __init__(self, expand_composites):
        super().__init__()
        self.expand_composites = expand_composites

    def __missing__(self, cls):
        kind = self[cls] = self._classify(cls)
        return kind

    def _classify(self, cls):
        if self.expand_composites and (hasattr(cls, "_type_spec") or hasattr(cls, "_component_specs")):
            return ASK
        if any("__class__" in base.__dict__ for base in cls.__mro__[:-1]):
            # A transparent proxy: each object claims a class of its own.
            return ASK
        if hasattr(cls, "__attrs_attrs__"):
            return ATTRS
        if issubclass(cls, (str, bytes, collections.UserString)):
            return LEAF
        if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
            return NAMED_TUPLE
        if issubclass(cls, (range, memoryview)):
            return RANGE
        if issubclass(cls, collections.abc.Sequence):
            return SEQUENCE
        if issubclass(cls, collections.abc.Mapping):
            return MAPPING
        if issubclass(cls, collections.abc.MappingView):
            return VIEW
        if hasattr(cls, "__tf_flatten__") and hasattr(cls, "__tf_unflatten__"):
            return CUSTOM
        return LEAF


PLAIN = Kinds(expand_composites=False)
EXPANDED = Kinds(expand_composites=True)


def kind_of(x, kinds):
    kind = kinds[type(x)]
    if kind is not ASK:
        return kind
    cls = type(x)
    if kinds.expand_composites:
        if hasattr(cls, "_type_spec"):
            spec = x._type_spec
            return LEAF if spec is None or spec._component_specs is spec else COMPOSITE
        if hasattr(cls, "_component_specs"):
            return LEAF if x._component_specs is x else SPEC
    claimed = x.__class__
    return LEAF if claimed is cls else kinds[claimed]


def class_of(x):
    """The class of `x`, or that of what it is a proxy of."""
    cls = type(x)
    return x.__class__ if PLAIN[cls] is ASK else cls


def rebuild(x, kind, parts):
    if PLAIN[type(x)] is ASK and kind is not COMPOSITE and kind is not SPEC:
        wrapped = getattr(x, "__wrapped__", None)
        if wrapped is not None:
            return type(x)(rebuild(wrapped, kind, parts))
    return kind.rebuild(x, parts)
