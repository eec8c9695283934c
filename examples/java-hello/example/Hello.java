package example;

import java.util.Map;

/** Greets whoever the event names. */
public class Hello {
    public Map<String, String> handle(Map<String, Object> event) {
        Object name = event.getOrDefault("name", "world");
        System.out.println("greeting " + name);
        return Map.of("message", "Hello, " + name + "!");
    }
}
