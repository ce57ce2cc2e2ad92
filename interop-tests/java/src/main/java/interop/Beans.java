package interop;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedList;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Fills any of Java's headers and bodies with seeded values, nested ones and collections too. */
final class Beans {
    private static final String[] WORDS = {
        "TopicTest", "%RETRY%group", "broker-a", "127.0.0.1:10911", "", "a b", "quote\"back\\slash", "tab\tnew\nline",
        "größer", "漢字", "\uD834\uDD1E", "<&'/>", "\u0001\u0002\u001f\u007f\u0085\u2028\u2029", "null", "true", "12",
    };

    private final Random random;
    private final int nullPerMille;

    private Beans(Random random, int nullPerMille) {
        this.random = random;
        this.nullPerMille = nullPerMille;
    }

    static Object random(Class<?> type, Random random, int nullPerMille) throws ReflectiveOperationException {
        return new Beans(random, nullPerMille).bean(type);
    }

    private Object bean(Class<?> type) throws ReflectiveOperationException {
        var constructor = type.getDeclaredConstructors()[0];
        for (var other : type.getDeclaredConstructors()) {
            if (other.getParameterCount() == 0) {
                constructor = other;
            }
        }
        constructor.setAccessible(true);
        Object[] arguments = new Object[constructor.getParameterCount()];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = value(constructor.getGenericParameterTypes()[i]);
        }
        Object bean = constructor.newInstance(arguments);
        for (Class<?> c = type; c != Object.class; c = c.getSuperclass()) {
            for (Field field : c.getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers()) || Modifier.isTransient(field.getModifiers())) {
                    continue;
                }
                field.setAccessible(true);
                if (!field.getType().isPrimitive() && random.nextInt(1000) < nullPerMille) {
                    field.set(bean, null);
                } else {
                    field.set(bean, field(field));
                }
            }
        }
        return bean;
    }

    private Object field(Field field) throws ReflectiveOperationException {
        // The two that Java checks when it reads them.
        if (field.getName().equals("commitOrRollback")) {
            return new int[] {0, 8, 12}[random.nextInt(3)];
        }
        if (field.getName().equals("topicFilterType") && field.getType() == String.class) {
            return random.nextBoolean() ? "SINGLE_TAG" : "MULTI_TAG";
        }
        return value(field.getGenericType());
    }

    private Object value(Type type) throws ReflectiveOperationException {
        if (type instanceof ParameterizedType) {
            ParameterizedType generic = (ParameterizedType) type;
            return collection((Class<?>) generic.getRawType(), generic.getActualTypeArguments());
        }
        Class<?> c = (Class<?>) type;
        if (c == String.class) {
            return text();
        } else if (c == int.class || c == Integer.class) {
            return number(32).intValue();
        } else if (c == long.class || c == Long.class) {
            return number(64);
        } else if (c == boolean.class || c == Boolean.class) {
            return random.nextBoolean();
        } else if (c == double.class || c == Double.class) {
            return random.nextInt(4) == 0
                ? random.nextInt(100)
                : random.nextGaussian() * Math.pow(10, random.nextInt(20) - 8);
        } else if (c == AtomicLong.class) {
            return new AtomicLong(number(64));
        } else if (c == Properties.class) {
            Properties properties = new Properties();
            for (int left = random.nextInt(4); left > 0; left--) {
                properties.setProperty(text(), text());
            }
            return properties;
        } else if (c.isEnum()) {
            return c.getEnumConstants()[random.nextInt(c.getEnumConstants().length)];
        }
        return bean(c);
    }

    private Object collection(Class<?> raw, Type[] of) throws ReflectiveOperationException {
        int size = random.nextInt(4);
        if (Map.class.isAssignableFrom(raw)) {
            Map<Object, Object> map = raw.isAssignableFrom(HashMap.class) ? new HashMap<>()
                : raw.isAssignableFrom(TreeMap.class) ? new TreeMap<>()
                : new ConcurrentHashMap<>();
            for (; size > 0; size--) {
                map.put(value(of[0]), value(of[1]));
            }
            return map;
        }
        Collection<Object> list;
        if (raw.isAssignableFrom(LinkedList.class)) {
            list = new LinkedList<>();
        } else if (raw.isAssignableFrom(HashSet.class)) {
            list = new HashSet<>();
        } else if (Set.class.isAssignableFrom(raw)) {
            list = new TreeSet<>();
        } else {
            list = new ArrayList<>();
        }
        for (; size > 0; size--) {
            list.add(value(of[0]));
        }
        return list;
    }

    private String text() {
        String word = WORDS[random.nextInt(WORDS.length)];
        return random.nextBoolean() ? word : word + random.nextInt(1000);
    }

    private Long number(int bits) {
        switch (random.nextInt(4)) {
            case 0:
                return (long) random.nextInt(10);
            case 1:
                return (long) -random.nextInt(10);
            case 2:
                return random.nextBoolean() ? -1L << (bits - 1) : ~(-1L << (bits - 1));
            default:
                return random.nextLong() >> (64 - bits);
        }
    }
}
