package newer;

/** One feature of the clients. */
public interface Subject {
    void look(Look it) throws Exception;
}
